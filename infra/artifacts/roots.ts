import * as fs from 'node:fs';
import * as path from 'node:path';
import { nearestSibling } from '../../data/nearest';
import { invalidInput } from '../../foundation/errors';

/** Result of resolving a client's path. */
export type Located =
  /** The path exists; all its links are followed. */
  | { kind: 'found'; path: string }
  /** The path is missing but would be below a root; `hint` may name the nearest match. */
  | { kind: 'missing'; hint: string }
  /** The path leads out of every root; it is not looked up. */
  | { kind: 'outside' };

/** Folders whose files clients may name. */
export class DataRoots {
  /** Roots as given, and with links followed. */
  private readonly roots: readonly { given: string; real: string }[];

  /** Resolves the folders. @throws HifiError INVALID_INPUT for a root that is no folder */
  constructor(folders: readonly string[]) {
    this.roots = folders.map((folder) => {
      if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
        return { given: path.resolve(folder), real: fs.realpathSync(folder) };
      }
      throw invalidInput(`--data-root ${folder}: no such folder`);
    });
  }

  /**
   * Resolves a path that is absolute, or relative to a root. Links may lead anywhere below a root.
   */
  locate(written: string): Located {
    if (written === '' || written.includes('\0')) return { kind: 'outside' };
    const candidates = path.isAbsolute(written)
      ? [path.normalize(written)]
      : this.roots.map(({ real }) => path.join(real, written));
    const all = candidates.map((file) => this.at(file));
    const rank = (kind: Located['kind']) => all.find((located) => located.kind === kind);
    return rank('found') ?? rank('missing') ?? { kind: 'outside' };
  }

  /** Returns true if all readable files of a folder are below a root, links followed. */
  holds(folder: string): boolean {
    return this.holdsAll(folder, new Set());
  }

  /** @param seen folders that were looked into: links may lead in a circle */
  private holdsAll(folder: string, seen: Set<string>): boolean {
    if (seen.has(folder)) return true;
    seen.add(folder);
    return readableEntries(folder).every((entry) => {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) return this.holdsAll(file, seen);
      if (!entry.isSymbolicLink()) return true;
      const located = this.at(file);
      if (located.kind !== 'found') return located.kind === 'missing';
      return !fs.statSync(located.path).isDirectory() || this.holdsAll(located.path, seen);
    });
  }

  /** Lists the names of the folders in the roots. */
  folders(): string[] {
    return this.roots.flatMap(({ real }) =>
      fs
        .readdirSync(real, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name),
    );
  }

  private at(file: string): Located {
    const named = this.roots.some(({ given, real }) => isBelow(file, given) || isBelow(file, real));
    if (!named) return { kind: 'outside' };
    try {
      const found = fs.realpathSync(file);
      return this.isWithin(found) ? { kind: 'found', path: found } : { kind: 'outside' };
    } catch {
      // The nearest names must not reveal what is beside a link that leads out.
      if (!this.isWithin(realAncestor(file))) return { kind: 'outside' };
      return { kind: 'missing', hint: nearestSibling(file) };
    }
  }

  private isWithin(real: string): boolean {
    return this.roots.some((root) => isBelow(real, root.real));
  }
}

/** Entries of a folder; none if this user may not read it, since then no file in it is read. */
function readableEntries(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return [];
    throw error;
  }
}

/** Returns true if a normalised path is a folder or below it. */
const isBelow = (file: string, folder: string) =>
  file === folder || file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);

/** Returns the nearest existing folder above a path, with links followed. */
function realAncestor(file: string): string {
  const above = path.dirname(file);
  if (above === file) return file;
  try {
    return fs.realpathSync(above);
  } catch {
    return realAncestor(above);
  }
}
