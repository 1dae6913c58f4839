import * as fs from 'node:fs';
import * as path from 'node:path';
import { nearestSibling } from '../../data/nearest';
import { invalidInput } from '../../foundation/errors';

/** What a client's path leads to. */
export type Located =
  /** It is there; all links followed. */
  | { kind: 'found'; path: string }
  /** It is not there, though it would be below a root; `hint` may tell the nearest name. */
  | { kind: 'missing'; hint: string }
  /** It leads out of every root; whether anything is there is not looked at. */
  | { kind: 'outside' };

/** The folders that clients may name files in. */
export class DataRoots {
  /** As given and with links followed. */
  private readonly roots: readonly { given: string; real: string }[];

  /** @throws HifiError INVALID_INPUT for a root that is no folder */
  constructor(folders: readonly string[]) {
    this.roots = folders.map((folder) => {
      if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
        return { given: path.resolve(folder), real: fs.realpathSync(folder) };
      }
      throw invalidInput(`--data-root ${folder}: no such folder`);
    });
  }

  /** Looks for a path that is absolute, or relative to a root. Links may lead anywhere below a root. */
  locate(written: string): Located {
    if (written === '' || written.includes('\0')) return { kind: 'outside' };
    const places = path.isAbsolute(written)
      ? [path.normalize(written)]
      : this.roots.map(({ real }) => path.join(real, written));
    const all = places.map((place) => this.at(place));
    const rank = (kind: Located['kind']) => all.find((located) => located.kind === kind);
    return rank('found') ?? rank('missing') ?? { kind: 'outside' };
  }

  /** Whether all files that a folder holds lie below a root, links followed. */
  holds(folder: string): boolean {
    return fs.readdirSync(folder, { withFileTypes: true }).every((entry) => {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) return this.holds(file);
      return !entry.isSymbolicLink() || this.at(file).kind !== 'outside';
    });
  }

  /** The names of the folders that lie in the roots. */
  folders(): string[] {
    return this.roots.flatMap(({ real }) =>
      fs
        .readdirSync(real, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name),
    );
  }

  private at(place: string): Located {
    const named = this.roots.some(({ given, real }) => isBelow(place, given) || isBelow(place, real));
    if (!named) return { kind: 'outside' };
    try {
      const found = fs.realpathSync(place);
      return this.isWithin(found) ? { kind: 'found', path: found } : { kind: 'outside' };
    } catch {
      // What is not there may still be said to be beside a link that leads out.
      if (!this.isWithin(realAncestor(place))) return { kind: 'outside' };
      return { kind: 'missing', hint: nearestSibling(place) };
    }
  }

  private isWithin(real: string): boolean {
    return this.roots.some((root) => isBelow(real, root.real));
  }
}

/** Whether a path is a folder's or lies in it; both without dots. */
const isBelow = (file: string, folder: string) =>
  file === folder || file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);

/** The nearest folder above a path that is there, with links followed. */
function realAncestor(place: string): string {
  const above = path.dirname(place);
  if (above === place) return place;
  try {
    return fs.realpathSync(above);
  } catch {
    return realAncestor(above);
  }
}
