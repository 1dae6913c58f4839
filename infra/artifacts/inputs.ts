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
  /** Folders whose models and rows clients may name. */
  dataRoots: readonly string[];
  /**
   * Folder for files of a single call. It is on the store's file system, so that the store's files
   * need no copy.
   */
  scratch: string;
  /** Downloads a missing artifact into the store. */
  fetch?: (sha256: string, signal: AbortSignal) => Promise<void>;
}

/** Input that was prepared for one call. */
export interface Opened<T> {
  what: T;
  /** Removes its scratch files; called at the call's end. */
  release(): Promise<void>;
}

/** Requirements on rows. */
export interface RowsNeed {
  /** Field of the rows in the request, for errors: `dataset`, `train`. */
  field: string;
  labels: boolean;
  /** Task whose columns a file has if the request names neither a task nor columns. */
  task?: TaskName;
}

export interface ModelSettings {
  signal: AbortSignal;
  /** Receives the progress of a download. */
  onProgress?: (progress: StageProgress) => void;
}

/** SHA-256 of a delta's two files. */
export interface GivenDelta {
  info: string;
  tensors: string;
}

/** Age after which a scratch file belongs to an ended process, in milliseconds: a day. */
const STALE_MS = 24 * 60 * 60 * 1000;

/**
 * Resolves what requests name to paths for the engines. Nothing outside the data roots, the store
 * and the models' caches is reachable.
 */
export class Inputs {
  private readonly roots: DataRoots;

  /**
   * Creates the scratch folder, and removes stale files. @throws HifiError INVALID_INPUT for a data
   * root that is no folder
   */
  constructor(private readonly parts: InputsParts) {
    this.roots = new DataRoots(parts.dataRoots);
    fs.mkdirSync(parts.scratch, { recursive: true, mode: 0o700 });
    sweep(parts.scratch);
  }

  /**
   * Resolves a model to a folder: one below a data root, or a known name or Hub name, which is
   * downloaded on first use.
   *
   * @throws HifiError INVALID_INPUT of the field `model`; FAILED if a download fails; CANCELLED
   */
  async model(name: string, { signal, onProgress }: ModelSettings): Promise<string> {
    const wanted = "a known name, a name on the Hugging Face Hub, or a folder below one of the service's data roots";
    const wrong = (why: string, value = shown(name)) =>
      invalidValue({ field: 'model', value, expected: `${wanted}${why}` });
    if (name.trim() === '') throw wrong('', 'empty');
    const located = this.located(name, wrong);
    if (located.kind === 'found') return located.path;
    if (/^(\/|\.\.?(\/|$)|~)/.test(name)) {
      throw wrong(located.kind === 'missing' ? `: there is no such folder${located.hint}` : '');
    }
    const onDownload = ({ done, total }: { done: number; total: number }) =>
      onProgress?.({ kind: 'progress', stage: 'download', done, total, unit: 'bytes' });
    return within('model', () => namedModel(name, { signal, onProgress: onDownload }, this.roots.folders()));
  }

  /**
   * Resolves a folder below a data root.
   *
   * @throws HifiError INVALID_INPUT naming the field
   */
  folder(written: string, field: string): string {
    const wrong = (why: string) =>
      invalidValue({ field, value: shown(written), expected: `a folder below one of the service's data roots${why}` });
    const located = this.located(written, wrong);
    if (located.kind === 'found') return located.path;
    throw wrong(located.kind === 'missing' ? `: there is no such folder${located.hint}` : '');
  }

  /**
   * Resolves rows to the paths that the engines read: a file, or a folder of files.
   *
   * @throws HifiError INVALID_INPUT naming the field; NOT_FOUND for a missing artifact
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
    const stored = await within(`${field}.artifact`, () => this.storedPath(source.sha256, signal));
    // The call gets its own hard link, because the store may remove a file that is long unused.
    return this.inScratch(async (folder) => {
      const file = path.join(folder, 'rows');
      await linkOrCopy(stored, file);
      return { path: name, file, ...layout };
    });
  }

  /**
   * Links a delta's files into a folder.
   *
   * @throws HifiError INVALID_INPUT of the field `info` or `tensors`; NOT_FOUND for a missing
   *   artifact
   */
  delta({ info, tensors }: GivenDelta, signal: AbortSignal): Promise<Opened<string>> {
    return this.inScratch(async (scratch) => {
      const folder = path.join(scratch, 'delta'); // its name in messages
      await fsp.mkdir(folder);
      const files = [
        ['delta.json', info, 'info'],
        ['delta.safetensors', tensors, 'tensors'],
      ] as const;
      for (const [name, sha256, field] of files) {
        const stored = await within(field, () => this.storedPath(sha256, signal));
        await linkOrCopy(stored, path.join(folder, name));
      }
      return folder;
    });
  }

  /** Creates and fills a scratch folder, which its release removes. */
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

  /** Finds a folder. @throws `wrong` for a file, or a folder that leads out of the data roots */
  private located(written: string, wrong: (why: string) => Error) {
    const located = this.roots.locate(written);
    if (located.kind !== 'found') return located;
    if (!fs.statSync(located.path).isDirectory()) throw wrong(': this is a file');
    if (!this.roots.holds(located.path)) throw wrong(': a link in it leads out');
    return located;
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

  /**
   * Checks MNLI's second file, which is read beside the first: it must not lead out of the roots
   * either.
   */
  private checkSibling(rows: DataSource, field: string): void {
    const second = mismatchedRows(rows);
    if (second === undefined || this.roots.locate(second.file!).kind === 'found') return;
    throw invalidPart(field, `${field}: ${second.path} beside it is a link that leads out of the data roots`);
  }

  /** Returns an artifact's path in the store, after a download if it is missing. */
  private async storedPath(sha256: string, signal: AbortSignal): Promise<string> {
    const { store, fetch } = this.parts;
    if (fetch && !(await store.isWhole(sha256))) await fetch(sha256, signal);
    if (signal.aborted) throw cancelled();
    return store.path(sha256, signal);
  }
}

/**
 * Returns the columns by which a file is read: its own, those of the request's task, or those of
 * `need`.
 */
function layoutOf(
  {
    task: named,
    textColumns = [],
    labelColumn,
    labelColumns,
    labelSeparator,
    delimiter,
    ...given
  }: Omit<GivenRows, 'source'>,
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
  const bare = named === undefined && textColumns.length === 0 && labelColumn === undefined && !labelColumns;
  if (format === 'conll' && bare) return own;
  const task = named ?? (bare ? known : undefined);
  if (task !== undefined) return { task, ...separated };
  if (textColumns.length === 0) {
    const at = `${field}.text_columns`;
    throw invalidPart(at, `${at} is empty; it must name one or two columns of texts, unless ${field}.task is given`);
  }
  if (labels && labelColumn === undefined && !labelColumns) {
    const at = `${field}.label_column`;
    throw invalidPart(
      at,
      `${at} is missing; labels are needed here: it must name their column, or ${field}.task be given`,
    );
  }
  return {
    textColumns,
    ...(labelColumn !== undefined && { labelColumn }),
    ...(labelColumns && { labelColumns }),
    ...(labelSeparator !== undefined && { labelSeparator }),
    ...own,
  };
}

/** Determines the format of a file, or of the files of a folder. */
function formatOfFiles(rows: DataSource, field: string): DataFormat {
  try {
    return formatOfName(filesOf(rows)[0].path, rows.path, field);
  } catch (thrown) {
    const error = HifiError.from(thrown);
    if (error.code !== 'INVALID_INPUT' || error.field !== undefined) throw thrown;
    throw renamed(error, field);
  }
}

/** Determines a format by a file's extension. @param written name of the rows in the request */
function formatOfName(name: string, written: string, field: string): DataFormat {
  const format = formatNamed(name);
  if (format !== undefined) return format;
  const known = '.tsv, .csv, .jsonl, .parquet or .txt, all but Parquet also with .gz';
  throw invalidValue({ field, value: shown(written), expected: `a name that ends in ${known}` });
}

/**
 * Checks an artifact's name. Only its extension is used: no file of this machine is opened by it.
 */
function checkName(name: string, field: string): void {
  if (name === path.basename(name) && name.length <= 255 && !/[\0\\]/.test(name)) return;
  throw invalidValue({ field, value: shown(name), expected: "a file's name, without folders" });
}

/** Links a file under another name, or copies it if that is impossible. */
async function linkOrCopy(file: string, to: string): Promise<void> {
  await fsp.link(file, to).catch(() => writing(to, () => fsp.copyFile(file, to)));
}

/** Removes scratch files of killed processes. */
function sweep(scratch: string): void {
  const oldest = Date.now() - STALE_MS;
  for (const name of fs.readdirSync(scratch)) {
    const entry = path.join(scratch, name);
    const stat = fs.statSync(entry, { throwIfNoEntry: false });
    if (stat && stat.mtimeMs < oldest) fs.rmSync(entry, { recursive: true, force: true });
  }
}
