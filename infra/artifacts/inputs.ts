import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as fsp from 'node:fs/promises';
import * as path from 'node:path';
import { type DataSource, mismatchedRows } from '../../data/dataset';
import { filesOf } from '../../data/files';
import { type DataFormat, formatNamed } from '../../data/format';
import type { GivenRows } from '../../data/given-rows';
import { namedProblem } from '../../data/problem';
import type { TaskName } from '../../data/tasks';
import { writing } from '../../foundation/disk';
import { cancelled, HifiError, invalidPart, invalidValue, renamed, shown, within } from '../../foundation/errors';
import type { StageProgress } from '../../foundation/progress';
import { namedModel } from '../../model/resolve';
import { writeInlineRows } from './inline-rows';
import { DataRoots } from './roots';
import type { ArtifactStore } from './store';

export interface InputsParts {
  store: ArtifactStore;
  /** Folders that clients may name models and rows in. */
  dataRoots: readonly string[];
  /** For files that live as long as a call; on the store's file system, so that its files need no copy. */
  scratch: string;
  /** Brings an artifact into the store that is not there. */
  fetch?: (sha256: string, signal: AbortSignal) => Promise<void>;
}

/** Something that was made ready for one call. */
export interface Opened<T> {
  what: T;
  /** To be called when the call is over. */
  release(): Promise<void>;
}

/** What is asked of rows. */
export interface RowsNeed {
  /** Where the request has them, for errors: `dataset`, `train`. */
  field: string;
  labels: boolean;
  /** The task whose columns a file has where the request names neither a task nor columns. */
  task?: TaskName;
}

export interface ModelSettings {
  signal: AbortSignal;
  /** Told of a download as it goes. */
  tell?: (progress: StageProgress) => void;
}

/** A delta's two files, by the SHA-256 of each. */
export interface GivenDelta {
  info: string;
  tensors: string;
}

/** Scratch files that are older than this are of a process that is no more: a day, in milliseconds. */
const STALE_MS = 24 * 60 * 60 * 1000;

/** What requests name, as what the engines read: nothing outside the data roots, the store and the models' caches. */
export class Inputs {
  private readonly roots: DataRoots;

  /** @throws HifiError INVALID_INPUT for a data root that is no folder */
  constructor(private readonly parts: InputsParts) {
    this.roots = new DataRoots(parts.dataRoots);
    fs.mkdirSync(parts.scratch, { recursive: true, mode: 0o700 });
    sweep(parts.scratch);
  }

  /**
   * The folder of a model: one below a data root, a known name or one on the Hub, which is fetched on first use.
   *
   * @throws HifiError INVALID_INPUT of the field `model`; FAILED where a download fails; CANCELLED
   */
  async model(name: string, { signal, tell }: ModelSettings): Promise<string> {
    const wanted = "a known name, a name on the Hugging Face Hub, or a folder below one of the service's data roots";
    const wrong = (why: string, value = shown(name)) =>
      invalidValue({ field: 'model', value, expected: `${wanted}${why}` });
    if (name.trim() === '') throw wrong('', 'empty');
    const located = this.roots.locate(name);
    if (located.kind === 'found') {
      if (!fs.statSync(located.path).isDirectory()) throw wrong(': this is a file');
      if (!this.roots.holds(located.path)) throw wrong(': a link in it leads out');
      return located.path;
    }
    if (/^(\/|\.\.?(\/|$)|~)/.test(name)) {
      throw wrong(located.kind === 'missing' ? `: there is no such folder${located.hint}` : '');
    }
    const onProgress = ({ done, total }: { done: number; total: number }) =>
      tell?.({ kind: 'progress', stage: 'download', done, total, unit: 'bytes' });
    return within('model', () => namedModel(name, { signal, onProgress }, this.roots.folders()));
  }

  /**
   * Resolves rows to the paths that the engines read: a file, or a folder of files.
   *
   * @throws HifiError INVALID_INPUT naming the field; NOT_FOUND for an artifact that is nowhere
   */
  async rows(given: GivenRows, need: RowsNeed, signal: AbortSignal): Promise<Opened<DataSource>> {
    const { source, ...columns } = given;
    const { field } = need;
    if (source.kind === 'inline') {
      return this.inScratch((folder) => {
        const file = path.join(folder, 'rows.jsonl');
        return writeInlineRows(source, { ...columns, file, field: `${field}.inline`, labels: need.labels });
      });
    }
    if (source.kind === 'path') {
      const at = `${field}.path`;
      const files = { path: source.path, file: this.file(source.path, at) };
      const rows = { ...files, ...layoutOf(columns, formatOfFiles(files, at), at, need) };
      this.checkSibling(rows, at);
      return { what: rows, release: async () => {} };
    }
    const at = `${field}.name`;
    const { name } = source;
    checkName(name, at);
    const layout = layoutOf(columns, formatOfName(name, name, at), at, need);
    const stored = await within(`${field}.artifact`, () => this.kept(source.sha256, signal));
    // The call has a hard link of its own: the store may drop a file that is unused for long.
    return this.inScratch(async (folder) => {
      const file = path.join(folder, 'rows');
      await linkOrCopy(stored, file);
      return { path: name, file, ...layout };
    });
  }

  /**
   * A delta's files, in a folder.
   *
   * @throws HifiError INVALID_INPUT naming the field; NOT_FOUND for an artifact that is nowhere
   */
  delta({ info, tensors }: GivenDelta, signal: AbortSignal): Promise<Opened<string>> {
    return this.inScratch(async (scratch) => {
      const folder = path.join(scratch, 'delta'); // what messages call it
      await fsp.mkdir(folder);
      const files = [
        ['delta.json', info, 'delta.info'],
        ['delta.safetensors', tensors, 'delta.tensors'],
      ] as const;
      for (const [name, sha256, field] of files) {
        const kept = await within(field, () => this.kept(sha256, signal));
        await linkOrCopy(kept, path.join(folder, name));
      }
      return folder;
    });
  }

  /** A folder that is gone when it is released. */
  async inScratch<T>(fill: (folder: string) => Promise<T>): Promise<Opened<T>> {
    const folder = path.join(this.parts.scratch, randomUUID());
    await fsp.mkdir(folder, { mode: 0o700 });
    const release = () => fsp.rm(folder, { recursive: true, force: true });
    try {
      return { what: await fill(folder), release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  private file(written: string, field: string): string {
    const located = this.roots.locate(written);
    const wrong = (expected: string) => invalidValue({ field, value: shown(written), expected });
    if (located.kind === 'found') {
      const stat = fs.statSync(located.path);
      if (!stat.isFile() && !stat.isDirectory()) {
        throw wrong('a regular file or a folder');
      }
      if (stat.isFile() || this.roots.holds(located.path)) return located.path;
      throw wrong('a folder whose links do not lead out of the data roots');
    }
    const hint = located.kind === 'missing' ? `: there is no such file${located.hint}` : '';
    throw wrong(`a file below one of the service's data roots${hint}`);
  }

  /** MNLI's second file is read where it lies beside the first: it must not lead out either. */
  private checkSibling(rows: DataSource, field: string): void {
    const second = mismatchedRows(rows);
    if (second === undefined || this.roots.locate(second.file!).kind === 'found') return;
    throw invalidPart(field, `${field}: ${second.path} beside it is a link that leads out of the data roots`);
  }

  /** Where an artifact lies; it is brought here where it does not. */
  private async kept(sha256: string, signal: AbortSignal): Promise<string> {
    const { store, fetch } = this.parts;
    if (fetch && !(await store.isWhole(sha256))) await fetch(sha256, signal);
    if (signal.aborted) throw cancelled();
    return store.path(sha256);
  }
}

/** What a file of rows must be read by: its own columns, those of the task that the request names, or those of `need`. */
function layoutOf(
  { task: named, textColumns = [], labelColumn, delimiter, ...given }: Omit<GivenRows, 'source'>,
  format: DataFormat,
  nameField: string,
  { field, labels, task: known }: RowsNeed,
): Omit<DataSource, 'path'> {
  if (delimiter !== undefined && format !== 'csv' && format !== 'tsv') {
    const at = `${field}.delimiter`;
    throw invalidValue({ field: at, value: shown(delimiter), expected: `left out: ${nameField} is ${format}` });
  }
  const separated = { ...(delimiter !== undefined && { delimiter }) };
  const problem = namedProblem(given);
  const own = { ...(problem !== undefined && { problem }), ...separated };
  if (format === 'txt') {
    if (labels)
      throw invalidPart(nameField, `${nameField} is a plain text, which has no labels; labels are needed here`);
    if (named === undefined && textColumns.length === 0) return own;
    const part = named === undefined ? 'text_columns' : 'task';
    throw invalidPart(
      `${field}.${part}`,
      `${field}.${part} must be left out: ${nameField} is a plain text, without columns`,
    );
  }
  const bare = named === undefined && textColumns.length === 0 && labelColumn === undefined;
  const task = named ?? (bare ? known : undefined);
  if (task !== undefined) return { task, ...separated };
  if (textColumns.length === 0) {
    const at = `${field}.text_columns`;
    throw invalidPart(at, `${at} is empty; it must name one or two columns of texts, unless ${field}.task is given`);
  }
  if (labels && labelColumn === undefined) {
    const at = `${field}.label_column`;
    throw invalidPart(
      at,
      `${at} is missing; labels are needed here: it must name their column, or ${field}.task be given`,
    );
  }
  return { textColumns, ...(labelColumn !== undefined && { labelColumn }), ...own };
}

/** The format of a file in a data root, or of the files of a folder there. */
function formatOfFiles(rows: DataSource, field: string): DataFormat {
  try {
    return formatOfName(filesOf(rows)[0].path, rows.path, field);
  } catch (thrown) {
    const error = HifiError.from(thrown);
    if (error.code !== 'INVALID_INPUT' || error.field !== undefined) throw thrown;
    throw renamed(error, field);
  }
}

/** @param written the name of the rows in the request */
function formatOfName(name: string, written: string, field: string): DataFormat {
  const format = formatNamed(name);
  if (format !== undefined) return format;
  const known = '.tsv, .csv, .jsonl, .parquet or .txt, all but Parquet also with .gz';
  throw invalidValue({ field, value: shown(written), expected: `a name that ends in ${known}` });
}

/** Derives only the format from an artifact's name: no file of this machine is opened by it. */
function checkName(name: string, field: string): void {
  if (name === path.basename(name) && name.length <= 255 && !/[\0\\]/.test(name)) return;
  throw invalidValue({ field, value: shown(name), expected: "a file's name, without folders" });
}

/** The file under another name too; where that cannot be, as a copy. */
async function linkOrCopy(file: string, to: string): Promise<void> {
  await fsp.link(file, to).catch(() => writing(to, () => fsp.copyFile(file, to)));
}

/** Removes what processes that were killed have left. */
function sweep(scratch: string): void {
  const oldest = Date.now() - STALE_MS;
  for (const name of fs.readdirSync(scratch)) {
    const entry = path.join(scratch, name);
    const stat = fs.statSync(entry, { throwIfNoEntry: false });
    if (stat && stat.mtimeMs < oldest) fs.rmSync(entry, { recursive: true, force: true });
  }
}
