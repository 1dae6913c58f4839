import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { writing } from '../disk';
import { invalidInput, isNoSpace } from '../errors';

/** What a command may do with an `--out` that holds something. */
export interface OutRules {
  /** Absent where the command cannot go on with what is there. */
  resume?: boolean;
  overwrite?: boolean;
}

/** A folder that a command writes, by what tells it from one that a user made. */
export interface OwnFolder {
  /** The names of the files that it may hold. */
  parts: readonly string[];
  /** The one that is in each, where there is such. */
  sign?: string;
}

/** By name in `--out`. */
export type OwnFolders = Readonly<Record<string, OwnFolder>>;

/**
 * Checks that `out` may receive a command's results: new or empty, unless it may be gone on with (`resume`) or its results
 * replaced (`overwrite`). Changes nothing, so that it can be asked before any work.
 *
 * @param folders those that the command writes: one of that name that holds anything else is not replaced
 * @throws HifiError INVALID_INPUT where `out` is a file, or holds something and neither is allowed.
 */
export function checkFolder(out: string, { resume, overwrite }: OutRules, folders: OwnFolders = {}): void {
  if (resume && overwrite) throw invalidInput('--resume goes on with what --out holds, --overwrite drops it: give one');
  const holds = entries(out);
  if (holds.length > 0 && !resume && !overwrite) {
    const choice = resume === undefined ? '' : '--resume or ';
    throw invalidInput(`--out ${out} is not empty (it holds ${holds[0]}): give a new folder, ${choice}--overwrite`);
  }
  for (const [name, own] of Object.entries(folders)) checkOwn(path.join(out, name), own);
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
  folders: OwnFolders,
  work: () => Promise<T>,
): Promise<T> {
  const leave = makeFolder(out, rules, folders);
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
export function makeFolder(out: string, rules: OutRules, folders: OwnFolders): () => void {
  checkFolder(out, rules, folders);
  let first: string | undefined;
  try {
    first = writing(out, () => fs.mkdirSync(out, { recursive: true }));
  } catch (error) {
    if (isNoSpace(error)) throw error;
    throw invalidInput(`--out ${out} cannot be made: ${(error as Error).message}`, error);
  }
  return () => {
    if (first !== undefined) removeEmpty(path.resolve(out), path.resolve(first));
  };
}

/** Removes `out` with its `state/`, and the folders above it up to `first`, as far as they hold nothing. */
function removeEmpty(out: string, first: string): void {
  try {
    const state = path.join(out, 'state');
    if (fs.existsSync(state)) fs.rmdirSync(state);
    for (let folder = out; folder.length >= first.length; folder = path.dirname(folder)) fs.rmdirSync(folder);
  } catch {
    // It holds something: that is a result.
  }
}

/**
 * Checks that an output file may be written: new or empty, unless `overwrite`.
 *
 * @throws HifiError INVALID_INPUT where it may not, or where it is no file: a folder, a pipe, a device.
 */
export function claimFile(out: string, overwrite = false): void {
  const found = fs.statSync(out, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw invalidInput(`--out ${out} is a folder: give the name of a file`);
  // `/dev/stdout` may lead to a file: a new one cannot take its place all the same.
  if (found && (!found.isFile() || isSystems(out))) {
    throw invalidInput(`--out ${out} is a device or a pipe: give the name of a file`);
  }
  if (found && found.size > 0 && !overwrite) throw invalidInput(`--out ${out} exists: give a new file or --overwrite`);
}

/** Whether a path lies in a folder of the system's own that holds no files (`/dev/shm` does). */
const isSystems = (file: string) =>
  /^\/(dev(?!\/shm(\/|$))|proc)(\/|$)/.test(fs.realpathSync(path.dirname(path.resolve(file))));

/**
 * Lets `make` write a folder that appears as a whole in the place of `out`: new or empty, or with `overwrite` an earlier one
 * like it, which is there until the new one is.
 *
 * @param own what such a folder may hold
 * @throws HifiError INVALID_INPUT where `out` holds something and may not be replaced, or holds something else.
 */
export async function replaceFolder<T>(
  out: string,
  own: OwnFolder,
  overwrite: boolean,
  make: (folder: string) => Promise<T>,
): Promise<T> {
  const holds = entries(out);
  if (holds.length > 0 && !overwrite) {
    throw invalidInput(`--out ${out} is not empty (it holds ${holds[0]}): give a new folder or --overwrite`);
  }
  checkOwn(out, own);
  // A link is followed: what it points to is replaced.
  const target = fs.existsSync(out) ? fs.realpathSync(out) : path.resolve(out);
  const beside = path.join(path.dirname(target), `.${path.basename(target)}.${crypto.randomUUID()}`);
  try {
    const made = await make(beside);
    swap(beside, target, holds.length > 0);
    return made;
  } finally {
    fs.rmSync(beside, { recursive: true, force: true });
  }
}

/** Renames a folder to `target`; an old one there comes back where that fails. */
function swap(beside: string, target: string, replaces: boolean): void {
  const old = `${beside}.old`;
  if (replaces) fs.renameSync(target, old);
  try {
    fs.renameSync(beside, target);
  } catch (error) {
    if (replaces) fs.renameSync(old, target);
    throw error;
  }
  fs.rmSync(old, { recursive: true, force: true });
}

/** @throws HifiError INVALID_INPUT where a folder is there and holds what a command does not write. */
function checkOwn(folder: string, { parts, sign }: OwnFolder): void {
  const holds = entries(folder);
  const unsigned = sign !== undefined && !holds.includes(sign) ? holds[0] : undefined;
  const foreign = holds.find((name) => !parts.includes(partial(name))) ?? unsigned;
  if (foreign === undefined) return;
  throw invalidInput(
    `--out ${folder} is not what this command writes (it holds ${foreign}), so it is left alone: give another --out`,
  );
}

/** The name of which a file is what a killed process left: `.NAME.UUID` and `NAME.HEX.tmp` are written, then renamed. */
export const partial = (name: string) =>
  name.replace(/^\.(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, '$1').replace(/\.[0-9a-f]{12}\.tmp$/, '');

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
  return fs.readdirSync(folder).reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0);
}
