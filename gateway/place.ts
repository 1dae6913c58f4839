import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../errors';
import { type ResultFiles, type ResultName, readHeads, readMask, readMetrics, writeJson } from './files';
import type { ExportFormat, JobPlace, JobSpec } from './job';

/** What a command may do with an `--out` that holds something. */
export interface OutRules {
  /** Absent where the command cannot go on with what is there. */
  resume?: boolean;
  overwrite?: boolean;
}

/**
 * Checks that `out` may receive a command's results: new or empty, unless it may be gone on with (`resume`) or its results
 * replaced (`overwrite`). Changes nothing, so that it can be asked before any work.
 *
 * @throws HifiError INVALID_INPUT where `out` is a file, or holds something and neither is allowed.
 */
export function checkFolder(out: string, { resume, overwrite }: OutRules): void {
  if (resume && overwrite) throw invalidInput('--resume goes on with what --out holds, --overwrite drops it: give one');
  const holds = entries(out);
  if (holds.length > 0 && !resume && !overwrite) {
    const choice = resume === undefined ? '' : '--resume or ';
    throw invalidInput(`--out ${out} is not empty (it holds ${holds[0]}): give a new folder, ${choice}--overwrite`);
  }
}

/**
 * Makes `out` ready for a command's results, when its input is known to be good.
 *
 * @param results what the command writes there: `overwrite` removes those, and nothing else
 * @throws HifiError INVALID_INPUT as {@link checkFolder}, or where the folder cannot be made.
 */
export function claimFolder(out: string, results: readonly string[], rules: OutRules): void {
  checkFolder(out, rules);
  try {
    if (rules.overwrite) for (const name of results) fs.rmSync(path.join(out, name), { recursive: true, force: true });
    fs.mkdirSync(out, { recursive: true });
  } catch (error) {
    throw invalidInput(`--out ${out} cannot be made: ${(error as Error).message}`, error);
  }
}

/**
 * Checks that an output file may be written: new or empty, unless `overwrite`.
 *
 * @throws HifiError INVALID_INPUT where it may not.
 */
export function claimFile(out: string, overwrite = false): void {
  const found = fs.statSync(out, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw invalidInput(`--out ${out} is a folder: give the name of a file`);
  if (found && found.size > 0 && !overwrite) throw invalidInput(`--out ${out} exists: give a new file or --overwrite`);
}

/**
 * Lets `make` write a folder that appears as a whole in the place of `out`: new or empty, or with `overwrite` an earlier one
 * like it, which is there until the new one is.
 *
 * @param parts the names that such a folder may hold; the first of them is in each
 * @throws HifiError INVALID_INPUT where `out` holds something and may not be replaced, or holds something else.
 */
export async function replaceFolder<T>(
  out: string,
  parts: readonly string[],
  overwrite: boolean,
  make: (folder: string) => Promise<T>,
): Promise<T> {
  const holds = entries(out);
  if (holds.length === 0) return make(out);
  if (!overwrite) {
    throw invalidInput(`--out ${out} is not empty (it holds ${holds[0]}): give a new folder or --overwrite`);
  }
  const foreign = holds.find((name) => !parts.includes(name)) ?? (holds.includes(parts[0]) ? undefined : holds[0]);
  if (foreign !== undefined) {
    throw invalidInput(
      `--out ${out} is not what this command writes (it holds ${foreign}), so --overwrite leaves it alone`,
    );
  }
  const target = path.resolve(out);
  const beside = path.join(path.dirname(target), `.${path.basename(target)}.${crypto.randomUUID()}`);
  try {
    const made = await make(beside);
    fs.renameSync(target, `${beside}.old`);
    fs.renameSync(beside, target);
    return made;
  } finally {
    for (const left of [beside, `${beside}.old`]) fs.rmSync(left, { recursive: true, force: true });
  }
}

/** The names in a folder; none where there is no folder. */
function entries(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR') throw invalidInput(`--out ${folder} is a file: give a folder`, error);
    throw invalidInput(`--out ${folder} cannot be read: ${message}`, error);
  }
}

/** Hashes of what a job reads. */
export interface JobInputs {
  model: string;
  train: string;
  dev: string | null;
}

/**
 * What each result depends on, as one hash: the inputs' bytes and the options that count, those of the results before it
 * included. Device, threads and paths do not count.
 */
export function resultKeys(spec: JobSpec, inputs: JobInputs): Record<ResultName, string> {
  const { device: _a, threads: _b, ...analysis } = spec.analysis;
  const { device: _c, threads: _d, ...training } = spec.training;
  const { path: _f, ...columns } = spec.train;
  const heads = keyOf([inputs.model, inputs.train, columns, analysis]);
  const mask = keyOf([heads, spec.selection]);
  const metrics = keyOf([mask, inputs.dev, training]);
  return { 'heads.json': heads, 'mask.json': mask, 'metrics.json': metrics };
}

/** SHA-256 of a value's JSON, with the names of each object in one order. */
function keyOf(value: unknown): string {
  const ordered = (_: string, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part;
  return crypto.createHash('sha256').update(JSON.stringify(value, ordered)).digest('hex');
}

const READERS: { [N in ResultName]: (file: string) => ResultFiles[N] } = {
  'heads.json': readHeads,
  'mask.json': readMask,
  'metrics.json': readMetrics,
};

/**
 * A folder as a job's place. Beside the results, `state/job.json` says what each was made of, so that a resumed job makes
 * again what was made of something else, is damaged or is of another model.
 */
export class FolderPlace implements JobPlace {
  private readonly record: string;

  /** @param resume whether results of an earlier attempt count */
  constructor(
    private readonly folder: string,
    private readonly keys: Record<ResultName, string>,
    private readonly model: string,
    private readonly resume: boolean,
  ) {
    this.record = path.join(folder, 'state', 'job.json');
  }

  async kept<N extends ResultName>(name: N): Promise<ResultFiles[N] | undefined> {
    if (!this.resume || this.made()[name] !== this.keys[name]) return undefined;
    if (name === 'metrics.json' && !fs.existsSync(path.join(this.folder, 'delta', 'delta.json'))) return undefined;
    try {
      const result = READERS[name](path.join(this.folder, name));
      return 'model' in result && result.model.sha256 !== this.model ? undefined : result;
    } catch {
      return undefined; // Missing or damaged: it is made again.
    }
  }

  async keptExport(format: ExportFormat): Promise<boolean> {
    return this.resume && fs.existsSync(path.join(this.folder, format));
  }

  async write<N extends ResultName>(name: N, content: ResultFiles[N]): Promise<void> {
    writeJson(path.join(this.folder, name), content);
    writeJson(this.record, { ...this.made(), [name]: this.keys[name] });
  }

  /** What each result that is there was made of. */
  private made(): Partial<Record<ResultName, string>> {
    try {
      const record: unknown = JSON.parse(fs.readFileSync(this.record, 'utf8'));
      return record !== null && typeof record === 'object' ? record : {};
    } catch {
      return {};
    }
  }
}
