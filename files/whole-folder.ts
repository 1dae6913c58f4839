import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../errors';
import { writing } from './disk';
import { isStaged, placeOf, stagedName, unwritable } from './place';

/** A folder that hifi writes, by what tells it from one that a user made. */
export interface OwnFolder {
  /** Paths of the files that it may hold, from the folder, at any depth; a pattern must match such a path whole. */
  parts: readonly (string | RegExp)[];
  /** Files of which each such folder has at least one, where there are such. */
  signs?: readonly string[];
}

/** A folder that may hold nothing. */
const NOTHING: OwnFolder = { parts: [] };

/**
 * First file in a folder, at any depth, that hifi does not write there; undefined where all is hifi's. A link, or a folder that
 * hifi does not make, is not hifi's. What a killed hifi left unfinished is.
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
 * A folder that appears whole or not at all. It is filled under a name of its own: beside its place, where nothing is there yet,
 * and takes it by one rename; else within the folder that is there, which may be a mount point or lie where this user may not
 * write, and whose place is not touched. Then files are renamed one by one, the old ones out of the way before a new one comes,
 * so that no reader finds files of both.
 */
class WholeFolder {
  /** Where it is filled. It is there, and empty. */
  readonly staged: string;
  private readonly target: string;
  private readonly exists: boolean;
  /** First of the folders above that had to be made. */
  private readonly made: string | undefined;

  /**
   * @param out new or empty, or a folder of `own` files, which are replaced
   * @throws HifiError INVALID_INPUT where `out` holds something else, or nothing can be written there
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

  /** Puts the folder in its place. Where that fails, all is as it was before. */
  commit(): void {
    // Else a power failure may leave empty files in it.
    writing(this.out, () => syncFiles(this.staged));
    if (!this.exists) {
      fs.renameSync(this.staged, this.target);
      return;
    }
    // The work may have taken hours: what a user has put there since is not replaced either.
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

  /** Leaves nothing behind; of no effect after `commit`. */
  abandon(): void {
    fs.rmSync(this.staged, { recursive: true, force: true });
    if (this.made !== undefined) removeEmpty(path.dirname(this.staged), this.made);
  }

  private checkOwn(): void {
    const foreign = foreignFile(this.target, this.own);
    if (foreign !== undefined) throw invalidInput(`${this.out} holds ${foreign}: give a new or an empty folder`);
  }
}

/** Removes a folder and those above it, up to `first`, as far as they hold nothing. */
export function removeEmpty(folder: string, first: string): void {
  try {
    for (let at = folder; at.length >= first.length; at = path.dirname(at)) fs.rmdirSync(at);
  } catch {
    // It holds something: that is a result.
  }
}

/** Makes a folder that appears whole or not at all; see {@link WholeFolder}. @throws as its constructor, and what `fill` throws */
export function publishFolder(out: string, fill: (folder: string) => void, own?: OwnFolder): void {
  const folder = new WholeFolder(out, own);
  try {
    writing(out, () => fill(folder.staged));
    folder.commit();
  } finally {
    folder.abandon();
  }
}

/** {@link publishFolder} for a folder that takes its time: `fill` may wait. */
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
