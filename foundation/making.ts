import * as fs from 'node:fs';
import * as path from 'node:path';
import { isLeft, MARK, processMark } from './process-identity';

/**
 * Fills a new folder beside `target`, which `make` may rename to `target`, then removes what is
 * left of it. Its name contains this process's mark, so that another process can remove the folder
 * of a killed one.
 */
export async function making<T>(target: string, make: (folder: string) => T | Promise<T>): Promise<T> {
  fs.mkdirSync(path.dirname(target), { recursive: true });
  removeLeft(target);
  const folder = fs.mkdtempSync(`${target}.making-${processMark()}-`);
  try {
    return await make(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Renames a folder that was made to its place. Of two processes that make the same folder at once,
 * the first wins: the other's folder is not needed.
 *
 * @param isWhole returns true if `target` is the whole folder; any other folder there is replaced
 */
export function putInPlace(folder: string, target: string, isWhole: () => boolean): void {
  for (let attempt = 1; ; attempt++) {
    try {
      fs.renameSync(folder, target);
      return;
    } catch (error) {
      if (isWhole()) return;
      if (attempt === 3) throw error;
      fs.rmSync(target, { recursive: true, force: true });
    }
  }
}

/** Removes the folders that killed processes left beside `target`. */
function removeLeft(target: string): void {
  const start = `${path.basename(target)}.making-`;
  for (const name of fs.readdirSync(path.dirname(target))) {
    if (!name.startsWith(start)) continue;
    const left = path.join(path.dirname(target), name);
    const mark = new RegExp(`^${MARK}`).exec(name.slice(start.length))?.[0] ?? '';
    if (isLeft(left, mark)) fs.rmSync(left, { recursive: true, force: true });
  }
}
