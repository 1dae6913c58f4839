import * as fs from 'node:fs';
import * as path from 'node:path';
import { EXPORT_FORMATS, type ExportFormat } from '../delta/export-request';
import { type modelIdentity, optionsIdentity, rowsIdentity } from '../delta/identity';
import { canonicalHash } from '../foundation/canonical-json';
import { isScoreStrategy } from '../heads/scores';
import { clearState } from '../trainer/state';
import { type ResultFiles, type ResultName, readResult, writeJson } from './files';
import { type JobPlace, type JobSpec, scoringOf } from './job';

/** Hashes of what a job reads. */
export interface JobInputs {
  model: ReturnType<typeof modelIdentity>;
  train: string;
  dev: string | null;
  /** MNLI's second dev file, if it is beside the first. */
  mismatched: string | null;
}

/**
 * Hash of each result's identity: its inputs, including earlier results. See `delta/identity.ts`.
 */
export function resultKeys(spec: JobSpec, inputs: JobInputs): Record<ResultName | ExportFormat, string> {
  const { train, dev, selection } = spec;
  const rows = rowsIdentity(train, inputs.train);
  const devRows = dev && inputs.dev !== null ? rowsIdentity(dev, inputs.dev) : null;
  const heads = canonicalHash([inputs.model, rows, optionsIdentity(spec.analysis)]);
  const scores = canonicalHash([heads, selection.strategy, optionsIdentity(scoringOf(spec))]);
  const mask = canonicalHash([isScoreStrategy(selection.strategy) ? scores : heads, optionsIdentity(selection)]);
  const metrics = canonicalHash([mask, rows, devRows, inputs.mismatched, optionsIdentity(spec.training)]);
  const onnx = canonicalHash([metrics, spec.onnxDtypes.toSorted()]);
  const results = { 'heads.json': heads, 'scores.json': scores, 'mask.json': mask, 'metrics.json': metrics };
  return { ...results, checkpoint: metrics, peft: metrics, onnx };
}

/** What a job makes, in order: each is made of the results before it; exports do not depend on one another. */
const MADE = ['heads.json', 'scores.json', 'mask.json', 'metrics.json', ...EXPORT_FORMATS] as const;
type Made = (typeof MADE)[number];

/** `state/job.json`: what each result that is there was made of, and what the trainer's checkpoint is of. */
type JobRecord = Partial<Record<Made | 'training', string>>;

const recordFile = (folder: string) => path.join(folder, 'state', 'job.json');

function readRecord(folder: string): JobRecord {
  try {
    const record: unknown = JSON.parse(fs.readFileSync(recordFile(folder), 'utf8'));
    return record !== null && typeof record === 'object' ? record : {};
  } catch {
    return {};
  }
}

/** Takes back what a job's record in `folder` says of a result and all after it: they are made anew, or by another command. */
export function forgetResults(folder: string, from: Made): void {
  const record = readRecord(folder);
  const made = (EXPORT_FORMATS as readonly string[]).includes(from) ? [from] : MADE.slice(MADE.indexOf(from));
  const gone = made.filter((name) => name in record);
  if (gone.length === 0) return;
  for (const name of gone) delete record[name];
  writeJson(recordFile(folder), record);
}

/**
 * A folder as a job's place. Beside the results, `state/` holds `job.json`, which says what each was made of, so that a resumed
 * job makes again what was made of something else, is damaged or is of another model; and the trainer's checkpoint, while the
 * training has no result.
 */
export class FolderPlace implements JobPlace {
  /** @param resume whether results of an earlier attempt count */
  constructor(
    private readonly folder: string,
    private readonly keys: Record<ResultName | ExportFormat, string>,
    private readonly model: string,
    private readonly resume: boolean,
  ) {}

  async kept<N extends ResultName>(name: N): Promise<ResultFiles[N] | undefined> {
    if (!this.resume || readRecord(this.folder)[name] !== this.keys[name]) return undefined;
    if (name === 'metrics.json' && !fs.existsSync(path.join(this.folder, 'delta', 'delta.json'))) return undefined;
    try {
      const result = readResult(name, path.join(this.folder, name));
      return 'model' in result && result.model.sha256 !== this.model ? undefined : result;
    } catch {
      return undefined; // Missing or damaged: it is made again.
    }
  }

  async keptExport(format: ExportFormat): Promise<boolean> {
    const made = readRecord(this.folder)[format] === this.keys[format];
    return this.resume && made && fs.existsSync(path.join(this.folder, format));
  }

  async invalidate(from: ResultName | ExportFormat): Promise<void> {
    forgetResults(this.folder, from);
    if (from === 'metrics.json') this.startTraining();
  }

  async write<N extends ResultName>(name: N, content: ResultFiles[N]): Promise<void> {
    writeJson(path.join(this.folder, name), content);
    this.record(name, this.keys[name]);
    if (name === 'metrics.json') clearState(path.join(this.folder, 'state'));
  }

  async exported(format: ExportFormat): Promise<void> {
    this.record(format, this.keys[format]);
  }

  /** A checkpoint in `state/` is of use to a training with the same input and options alone: any other is dropped. */
  private startTraining(): void {
    const key = this.keys['metrics.json'];
    if (this.resume && readRecord(this.folder).training === key) return;
    clearState(path.join(this.folder, 'state'));
    this.record('training', key);
  }

  private record(name: keyof JobRecord, key: string): void {
    writeJson(recordFile(this.folder), { ...readRecord(this.folder), [name]: key });
  }
}
