import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import { checkPlace, isStaged, placeOf, unwritable } from '../foundation/output-path';
import { foreignFile, type OwnFolder, publishFolderWhen, removeEmpty } from '../foundation/whole-folder';

/** What a command may do with an `--out` that holds something. */
export interface OutRules {
  /** Absent where the command cannot go on with what is there. */
  resume?: boolean;
  overwrite?: boolean;
}

/** Results that a command writes into its `--out`, by name. */
export interface OwnResults {
  files: readonly string[];
  folders: Readonly<Record<string, OwnFolder>>;
}

/**
 * Checks that `out` may receive a command's results: new or empty, unless it may be gone on with
 * (`resume`) or its results replaced (`overwrite`), and that each result can be written there.
 * Leaves nothing behind, so that callers can check before any work.
 *
 * @param results results of the command: a folder of such a name that holds foreign files is not
 *   replaced
 * @throws HifiError INVALID_INPUT if `out` is a file, holds something and neither is allowed, or
 *   cannot be written
 */
export function checkFolder(out: string, { resume, overwrite }: OutRules, results: OwnResults): void {
  if (resume && overwrite) throw invalidInput('--resume goes on with what --out holds, --overwrite drops it: give one');
  const holds = entries(out);
  if (holds.length > 0 && !resume && !overwrite) {
    const choice = resume === undefined ? '' : '--resume or ';
    throw invalidInput(`--out ${out} is not empty (it holds ${holds[0]}): give a new folder, ${choice}--overwrite`);
  }
  for (const [name, own] of Object.entries(results.folders)) checkOwn(path.join(out, name), own);
  checkPlace(out, 'folder');
  if (holds.length === 0) return;
  const there = (name: string) => fs.existsSync(path.join(out, name));
  for (const name of ['state', ...Object.keys(results.folders)].filter(there))
    checkPlace(path.join(out, name), 'folder');
  for (const name of results.files.filter(there)) {
    const file = path.join(out, name);
    if (!fs.statSync(file).isFile()) throw invalidInput(`${file} is not a file, so no result can be written there`);
    checkPlace(file, 'file');
  }
}

/**
 * Lets `work` put its results into `out`; each replaces its predecessor when it is made, so that bad input leaves what was
 * there. Where it fails, the folders that were made for it and are still empty are removed again.
 *
 * @throws HifiError INVALID_INPUT as {@link makeFolder}; else what `work` throws.
 */
export async function inFolder<T>(
  out: string,
  rules: OutRules,
  results: OwnResults,
  work: () => Promise<T>,
): Promise<T> {
  const leave = makeFolder(out, rules, results);
  try {
    return await work();
  } catch (error) {
    leave();
    throw error;
  }
}

/**
 * Makes `out`, with the folders above it, where it may receive results.
 *
 * @returns to be called where the work has failed: removes the folders again that were made and are still empty
 * @throws HifiError INVALID_INPUT as {@link checkFolder}, or where the folder cannot be made.
 */
export function makeFolder(out: string, rules: OutRules, results: OwnResults): () => void {
  checkFolder(out, rules, results);
  const folder = placeOf(out);
  let first: string | undefined;
  try {
    first = fs.mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw unwritable(`--out ${out}`, path.dirname(folder), error);
  }
  return () => {
    if (first === undefined) return;
    const state = path.join(folder, 'state');
    removeEmpty(fs.existsSync(state) ? state : folder, first);
  };
}

/**
 * Checks that an output file can be written: new or empty, unless `overwrite`. Leaves nothing
 * behind, so that callers can check before any work.
 *
 * @throws HifiError INVALID_INPUT if it cannot, or if it is no file: a folder, a pipe, a device
 */
export function claimFile(out: string, overwrite = false): void {
  const found = fs.statSync(out, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw invalidInput(`--out ${out} is a folder: give the name of a file`);
  // `/dev/stdout` may lead to a file: a new one cannot take its place all the same.
  if (found && (!found.isFile() || isSystems(out))) {
    throw invalidInput(`--out ${out} is a device or a pipe: give the name of a file`);
  }
  if (found && found.size > 0 && !overwrite) throw invalidInput(`--out ${out} exists: give a new file or --overwrite`);
  checkPlace(out, 'file');
}

/** Whether a path lies in a folder of the system's own that holds no files (`/dev/shm` does). */
const isSystems = (file: string) =>
  /^\/(dev(?!\/shm(\/|$))|proc)(\/|$)/.test(fs.realpathSync(path.dirname(path.resolve(file))));

/**
 * Checks that a whole folder can be written at `out`: new or empty, or with `overwrite` an earlier
 * one of its kind. Leaves nothing behind, so that callers can check before any work.
 *
 * @throws HifiError INVALID_INPUT if `out` holds something that may not be replaced, holds a
 *   foreign file, or cannot be written
 */
export function claimFolder(out: string, own: OwnFolder, overwrite: boolean): void {
  const holds = entries(out);
  if (holds.length > 0 && !overwrite) {
    throw invalidInput(`--out ${out} is not empty (it holds ${holds[0]}): give a new folder or --overwrite`);
  }
  checkOwn(out, own);
  checkPlace(out, 'folder');
}

/**
 * Lets `make` write a folder that appears whole in place of `out`; an earlier one stays until then.
 *
 * @throws HifiError INVALID_INPUT as {@link claimFolder}; any error of `make`
 */
export async function replaceFolder<T>(
  out: string,
  own: OwnFolder,
  overwrite: boolean,
  make: (folder: string) => Promise<T>,
): Promise<T> {
  claimFolder(out, own, overwrite);
  return publishFolderWhen(out, make, own);
}

/**
 * @throws HifiError INVALID_INPUT if a folder holds, at any depth, a file that the command does not
 *   write
 */
function checkOwn(folder: string, own: OwnFolder): void {
  const foreign = entries(folder).length > 0 ? foreignFile(folder, own) : undefined;
  if (foreign === undefined) return;
  throw invalidInput(
    `--out ${folder} is not what this command writes (it holds ${foreign}), so it is left alone: give another --out`,
  );
}

/** The names in a folder; none where there is no folder. */
export function entries(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR') throw invalidInput(`--out ${folder} is a file: give a folder`, error);
    throw invalidInput(`--out ${folder} cannot be read: ${message}`, error);
  }
}

/** Bytes of the files of a folder. */
export function folderBytes(folder: string): number {
  const names = fs.readdirSync(folder).filter((name) => !isStaged(name));
  return names.reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0);
}
