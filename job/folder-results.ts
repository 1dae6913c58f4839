import * as fs from 'node:fs';
import * as path from 'node:path';
import { EXPORT_FORMATS, type ExportFormat } from '../delta/export-request';
import { type modelIdentity, optionsIdentity, rowsIdentity } from '../delta/identity';
import { canonicalHash } from '../foundation/canonical-json';
import { isScoreStrategy } from '../heads/scores';
import { clearState } from '../trainer/state';
import { type ResultFiles, type ResultName, readResult, writeJson } from './files';
import { type JobPlace, type JobSpec, scoringOf } from './job';

/** Hashes of a job's inputs. */
export interface JobInputs {
  model: ReturnType<typeof modelIdentity>;
  train: string;
  dev: string | null;
  /** MNLI's second dev file, if it exists beside the first. */
  mismatched: string | null;
}

/** Hash of each result's identity: its inputs, including earlier results (`delta/identity.ts`). */
export function resultKeys(spec: JobSpec, inputs: JobInputs): Record<ResultName | ExportFormat, string> {
  const { train, dev, selection } = spec;
  const rows = rowsIdentity(train, inputs.train);
  const devRows = dev && inputs.dev !== null ? rowsIdentity(dev, inputs.dev) : null;
  const heads = canonicalHash([inputs.model, rows, optionsIdentity(spec.analysis)]);
  const scores = canonicalHash([heads, selection.strategy, optionsIdentity(scoringOf(spec))]);
  const mask = canonicalHash([
    isScoreStrategy(selection.strategy, selection.tune) ? scores : heads,
    optionsIdentity(selection),
  ]);
  const metrics = canonicalHash([mask, rows, devRows, inputs.mismatched, optionsIdentity(spec.training)]);
  const onnx = canonicalHash([metrics, spec.onnxDtypes.toSorted()]);
  const results = { 'heads.json': heads, 'scores.json': scores, 'mask.json': mask, 'metrics.json': metrics };
  return { ...results, checkpoint: metrics, peft: metrics, onnx };
}

/** Results in the job's order: each depends on those before it, but no export on another. */
const RESULTS = ['heads.json', 'scores.json', 'mask.json', 'metrics.json', ...EXPORT_FORMATS] as const;
type Result = (typeof RESULTS)[number];

/** `state/job.json`: identity of each stored result and of the trainer's checkpoint. */
type JobRecord = Partial<Record<Result | 'training', string>>;

const recordFile = (folder: string) => path.join(folder, 'state', 'job.json');

function readRecord(folder: string): JobRecord {
  try {
    const record: unknown = JSON.parse(fs.readFileSync(recordFile(folder), 'utf8'));
    return record !== null && typeof record === 'object' ? record : {};
  } catch {
    return {};
  }
}

/** Removes a result and all that depend on it from the job's record: a resume repeats them. */
export function forgetResults(folder: string, from: Result): void {
  const record = readRecord(folder);
  const outdated = (EXPORT_FORMATS as readonly string[]).includes(from) ? [from] : RESULTS.slice(RESULTS.indexOf(from));
  const gone = outdated.filter((name) => name in record);
  if (gone.length === 0) return;
  for (const name of gone) delete record[name];
  writeJson(recordFile(folder), record);
}

/**
 * Folder that stores a job's results. `state/job.json` records the identity of each result, and
 * `state/` holds the trainer's checkpoint until the training has a result. A resumed job repeats
 * each result that has another identity, is damaged or belongs to another model.
 */
export class FolderPlace implements JobPlace {
  /** @param resume true: results of an earlier attempt are used */
  constructor(
    private readonly folder: string,
    private readonly keys: Record<ResultName | ExportFormat, string>,
    private readonly model: string,
    private readonly resume: boolean,
  ) {}

  async stored<N extends ResultName>(name: N): Promise<ResultFiles[N] | undefined> {
    if (!this.resume || readRecord(this.folder)[name] !== this.keys[name]) return undefined;
    if (name === 'metrics.json' && !fs.existsSync(path.join(this.folder, 'delta', 'delta.json'))) return undefined;
    try {
      const result = readResult(name, path.join(this.folder, name));
      return 'model' in result && result.model.sha256 !== this.model ? undefined : result;
    } catch {
      return undefined; // Missing or damaged: the job repeats it.
    }
  }

  async storedExport(format: ExportFormat): Promise<boolean> {
    const same = readRecord(this.folder)[format] === this.keys[format];
    return this.resume && same && fs.existsSync(path.join(this.folder, format));
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

  /** Drops the checkpoint in `state/` unless it is of the same input and options. */
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
