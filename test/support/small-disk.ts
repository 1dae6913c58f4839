import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

/** A file system of its own, with little room. */
export interface SmallDisk {
  folder: string;
  /** Fills all of it with a file. */
  fill(): void;
  /** Removes that file. */
  makeRoom(): void;
  unmount(): void;
}

/** Mounts a tmpfs on a new folder. @returns undefined, and says so on stderr, where that is not permitted */
export function mountSmallDisk(folder: string, megabytes: number): SmallDisk | undefined {
  fs.mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch (error) {
    process.stderr.write(`left out: no tmpfs can be mounted here (${(error as Error).message.trim()})\n`);
    return undefined;
  }
  const filling = path.join(folder, 'filling');
  return {
    folder,
    fill() {
      // Down to the last page.
      const file = fs.openSync(filling, 'a');
      try {
        for (const size of [1 << 16, 1 << 12]) {
          const bytes = Buffer.alloc(size);
          while (hasWritten(file, bytes));
        }
      } finally {
        fs.closeSync(file);
      }
    },
    makeRoom: () => fs.rmSync(filling, { force: true }),
    unmount: () => void execFileSync('umount', ['-l', folder]),
  };
}

function hasWritten(file: number, bytes: Buffer): boolean {
  try {
    return fs.writeSync(file, bytes) === bytes.length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
