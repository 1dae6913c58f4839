import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import { checkPlace, isStaged, placeOf, unwritable } from '../foundation/output-path';
import { foreignFile, type OwnFolder, publishFolderWhen, removeEmpty } from '../foundation/whole-folder';
import { lockFor } from '../infra/process-lock';

/** Ways in which a command may use an `--out` that holds something. */
export interface OutRules {
  /** Absent if the command cannot resume. */
  resume?: boolean;
  overwrite?: boolean;
}

/** Results that a command writes into its `--out`, by name. */
export interface OwnResults {
  files: readonly string[];
  folders: Readonly<Record<string, OwnFolder>>;
}

/**
 * Checks that `out` may receive a command's results. It must be new or empty, unless `resume`
 * continues or `overwrite` replaces what it holds, and each result must be writable. Leaves nothing
 * behind, so that callers can check before any work.
 *
 * @param results results of the command; a folder of such a name that holds foreign files is not
 *   replaced
 * @throws HifiError INVALID_INPUT if `out` is a file, holds something that may be neither continued
 *   nor replaced, or cannot be written
 */
export function checkFolder(out: string, { resume, overwrite }: OutRules, results: OwnResults): void {
  if (resume && overwrite)
    throw invalidInput('--resume continues what --out holds, --overwrite replaces it: give one of them');
  const holds = entries(out);
  if (holds.length > 0 && !resume && !overwrite) {
    const choice = resume === undefined ? ' or' : ', --resume or';
    throw invalidInput(`--out ${out} is not empty (it holds ${holds[0]}): give a new folder${choice} --overwrite`);
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
 * Runs `work`, which writes its results into `out`. Each result replaces its predecessor once it is
 * complete, so bad input changes nothing. If `work` fails, new folders that are still empty are
 * removed.
 *
 * @throws HifiError INVALID_INPUT as {@link makeFolder}; any error of `work`
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
  } finally {
    leave();
  }
}

/**
 * Creates `out` and missing folders above it, if it may receive results. A command that can resume
 * has it for itself.
 *
 * @returns function to call at the end: gives `out` back, and removes new folders that are still
 *   empty
 * @throws HifiError INVALID_INPUT as {@link checkFolder}, if the folder cannot be created, or if
 *   another process has it
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
  const state = path.join(folder, 'state');
  const release = rules.resume === undefined ? undefined : lockIn(state, out);
  return () => {
    release?.();
    removeEmpty(fs.existsSync(state) ? state : folder, first ?? state);
  };
}

/** Locks the state of a command, which may be new. @returns function that releases it */
function lockIn(state: string, out: string): () => void {
  fs.mkdirSync(state, { recursive: true });
  return lockFor(path.join(state, 'lock'), `--out ${out}`, { otherwise: 'another --out' });
}

/**
 * Checks that an output file can be written: it must be new or empty, unless `overwrite`. Leaves
 * nothing behind, so that callers can check before any work.
 *
 * @throws HifiError INVALID_INPUT if it cannot be written, or is a folder, a pipe or a device
 */
export function claimFile(out: string, overwrite = false): void {
  const found = fileAt(out);
  if (found?.isDirectory()) throw invalidInput(`--out ${out} is a folder: give the name of a file`);
  // `/dev/stdout` may be a link to a file, but a new file cannot replace the link.
  if (found && (!found.isFile() || isSystems(out))) {
    throw invalidInput(`--out ${out} is a device or a pipe: give the name of a file`);
  }
  if (found && found.size > 0 && !overwrite) throw invalidInput(`--out ${out} exists: give a new file or --overwrite`);
  checkPlace(out, 'file');
}

/** @throws HifiError INVALID_INPUT for a path below a file, or one that cannot be read */
function fileAt(out: string): fs.Stats | undefined {
  try {
    return fs.statSync(out, { throwIfNoEntry: false });
  } catch (error) {
    throw unwritable(`--out ${out}`, path.dirname(out), error);
  }
}

/** True for a path in a system folder without regular files; `/dev/shm` has them. */
const isSystems = (file: string) =>
  /^\/(dev(?!\/shm(\/|$))|proc)(\/|$)/.test(fs.realpathSync(path.dirname(path.resolve(file))));

/**
 * Checks that a whole folder can be written at `out`: it must be new or empty, or with `overwrite`
 * an earlier one of its kind. Leaves nothing behind, so that callers can check before any work.
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
 * Lets `make` write a folder that then replaces `out` as a whole; an earlier folder stays until
 * then.
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

/** Names in a folder; none if there is no folder. */
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

/** Sum of the sizes of a folder's files, in bytes. */
export function folderBytes(folder: string): number {
  const names = fs.readdirSync(folder).filter((name) => !isStaged(name));
  return names.reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0);
}
