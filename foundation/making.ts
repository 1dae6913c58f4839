import * as fs from 'node:fs';
import * as path from 'node:path';

/** Folders that this process is filling. */
const filling = new Set<string>();

/**
 * Fills a new folder beside `target`, which `make` may rename to `target`, then removes what is
 * left of it. Its name contains this process's id, so that another process can remove the folder of
 * a killed one.
 */
export async function making<T>(target: string, make: (folder: string) => T | Promise<T>): Promise<T> {
  fs.mkdirSync(path.dirname(target), { recursive: true });
  removeLeft(target);
  const folder = fs.mkdtempSync(`${target}.making-${process.pid}-`);
  filling.add(folder);
  try {
    return await make(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
    filling.delete(folder);
  }
}

/** Removes the folders that killed processes left beside `target`. */
function removeLeft(target: string): void {
  const start = `${path.basename(target)}.making-`;
  for (const name of fs.readdirSync(path.dirname(target))) {
    if (!name.startsWith(start)) continue;
    const left = path.join(path.dirname(target), name);
    const pid = Number(name.slice(start.length).split('-')[0]);
    if (!filling.has(left) && (pid === process.pid || !isAlive(pid))) fs.rmSync(left, { recursive: true, force: true });
  }
}

/** Returns true if a process with this id is running. */
export function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
