import * as fs from 'node:fs';
import * as path from 'node:path';
import { writing } from './disk';
import { invalidInput } from './errors';
import { isStaged, placeOf, stagedName, unwritable } from './output-path';

/** Description of a folder that hifi writes, which distinguishes it from a user's. */
export interface OwnFolder {
  /**
   * Paths of its files, relative to the folder, at any depth; a pattern must match the whole path.
   */
  parts: readonly (string | RegExp)[];
  /** Files of which every such folder has at least one, if any. */
  signs?: readonly string[];
}

/** Description of a folder that must be empty. */
const NOTHING: OwnFolder = { parts: [] };

/**
 * Returns the first file in a folder, at any depth, that hifi does not write there; undefined if
 * there is none. Links, and folders that hifi does not write, are not hifi's. Files that a killed
 * hifi left unfinished are hifi's.
 */
export function foreignFile(folder: string, { parts, signs }: OwnFolder): string | undefined {
  const isPart = (file: string) =>
    parts.some((part) => (typeof part === 'string' ? part === file : new RegExp(`^(?:${part.source})$`).test(file)));
  const isOwnFolder = (name: string) => parts.some((part) => typeof part === 'string' && part.startsWith(`${name}/`));
  const found: string[] = [];
  const firstIn = (at: string): string | undefined => {
    for (const entry of fs.readdirSync(path.join(folder, at), { withFileTypes: true })) {
      if (isStaged(entry.name)) continue;
      const name = path.posix.join(at, entry.name);
      if (entry.isDirectory() && isOwnFolder(name)) {
        const foreign = firstIn(name);
        if (foreign !== undefined) return foreign;
      } else if (entry.isFile() && isPart(name)) found.push(name);
      else return name;
    }
    return undefined;
  };
  const foreign = firstIn('');
  return foreign ?? (signs && !found.some((name) => signs.includes(name)) ? found[0] : undefined);
}

/**
 * Folder that appears whole or not at all. If its place is empty, it is filled under a temporary
 * name beside it and takes the place by one rename. An existing folder stays, because it may be a
 * mount point, or its parent may be read-only for this user. It is filled from a temporary folder
 * inside it: first all old files move out, then the new ones move in one by one. So no reader finds
 * files of both.
 */
class WholeFolder {
  /** Path of the folder to fill. It exists and is empty. */
  readonly staged: string;
  private readonly target: string;
  private readonly exists: boolean;
  /** Topmost parent folder that had to be created. */
  private readonly made: string | undefined;

  /**
   * @param out a new or empty folder, or one with `own` files, which are replaced
   * @throws HifiError INVALID_INPUT if `out` holds other files or cannot be written
   */
  constructor(
    private readonly out: string,
    private readonly own: OwnFolder = NOTHING,
  ) {
    this.target = placeOf(out);
    this.exists = isFolder(out, this.target);
    if (this.exists) this.checkOwn();
    const above = this.exists ? this.target : path.dirname(this.target);
    this.staged = path.join(above, stagedName());
    try {
      this.made = writing(out, () => fs.mkdirSync(above, { recursive: true }));
      writing(out, () => fs.mkdirSync(this.staged));
    } catch (error) {
      throw unwritable(out, above, error);
    }
  }

  /** Moves the folder to its place. If that fails, everything is as before. */
  commit(): void {
    // Without this a power failure may leave empty files in it.
    writing(this.out, () => syncFiles(this.staged));
    if (!this.exists) {
      fs.renameSync(this.staged, this.target);
      return;
    }
    // The work may have taken hours: files that a user has added since are not replaced either.
    this.checkOwn();
    const names = fs.readdirSync(this.staged);
    const before = fs.readdirSync(this.target).filter((name) => name !== path.basename(this.staged));
    const old = path.join(this.target, stagedName());
    const moves = [
      ...before.map((name) => [path.join(this.target, name), path.join(old, name)]),
      ...names.map((name) => [path.join(this.staged, name), path.join(this.target, name)]),
    ];
    const done: string[][] = [];
    try {
      fs.mkdirSync(old);
      for (const [from, to] of moves) {
        fs.renameSync(from, to);
        done.unshift([from, to]);
      }
    } catch (error) {
      for (const [from, to] of done) fs.renameSync(to, from);
      fs.rmSync(old, { recursive: true, force: true });
      throw error;
    }
    fs.rmSync(old, { recursive: true });
  }

  /** Removes the temporary folder; has no effect after `commit`. */
  abandon(): void {
    fs.rmSync(this.staged, { recursive: true, force: true });
    if (this.made !== undefined) removeEmpty(path.dirname(this.staged), this.made);
  }

  private checkOwn(): void {
    const foreign = foreignFile(this.target, this.own);
    if (foreign !== undefined) throw invalidInput(`${this.out} holds ${foreign}: give a new or an empty folder`);
  }
}

/** Removes a folder and its parents, up to `first`, as far as they are empty. */
export function removeEmpty(folder: string, first: string): void {
  try {
    for (let at = folder; at.length >= first.length; at = path.dirname(at)) fs.rmdirSync(at);
  } catch {
    // It holds something: that is a result.
  }
}

/**
 * Writes a folder that appears whole or not at all; see {@link WholeFolder}.
 * @throws as its constructor; any error of `fill`
 */
export function publishFolder(out: string, fill: (folder: string) => void, own?: OwnFolder): void {
  const folder = new WholeFolder(out, own);
  try {
    writing(out, () => fill(folder.staged));
    folder.commit();
  } finally {
    folder.abandon();
  }
}

/** {@link publishFolder} for an asynchronous `fill`. */
export async function publishFolderWhen<T>(
  out: string,
  fill: (folder: string) => Promise<T>,
  own?: OwnFolder,
): Promise<T> {
  const folder = new WholeFolder(out, own);
  try {
    const filled = await writing(out, () => fill(folder.staged));
    folder.commit();
    return filled;
  } finally {
    folder.abandon();
  }
}

function isFolder(out: string, target: string): boolean {
  const found = fs.statSync(target, { throwIfNoEntry: false });
  if (found !== undefined && !found.isDirectory()) {
    throw invalidInput(`${out} is a file: give a new or an empty folder`);
  }
  return found !== undefined;
}

function syncFiles(folder: string): void {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = fs.openSync(path.join(entry.parentPath, entry.name), 'r');
    try {
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
  }
}
