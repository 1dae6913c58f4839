import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { freeBytes } from '../../foundation/disk';
import { temporaryFolder } from './deltas';

/** Small file system in memory. */
export class FillingDisk {
  private readonly ballast: string;

  private constructor(readonly folder: string) {
    this.ballast = path.join(folder, 'ballast');
  }

  /** @returns undefined, with a message, if this process may not mount one */
  static mount(megabytes: number): FillingDisk | undefined {
    const folder = temporaryFolder('filling-disk');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'pipe' });
    } catch (error) {
      process.stderr.write(`left out: no tmpfs can be mounted here (${(error as Error).message.trim()})\n`);
      fs.rmSync(folder, { recursive: true });
      return undefined;
    }
    return new FillingDisk(folder);
  }

  /** Fills the file system except for some bytes, in whole pages. */
  fill(left = 0): void {
    const file = fs.openSync(this.ballast, 'a');
    try {
      for (const size of [1 << 20, 4096]) {
        while (freeBytes(this.folder) >= left + size) fs.writeSync(file, Buffer.alloc(size));
      }
    } finally {
      fs.closeSync(file);
    }
  }

  /** Frees the filled space. */
  empty(): void {
    fs.rmSync(this.ballast, { force: true });
  }

  unmount(): void {
    execFileSync('umount', ['--lazy', this.folder]);
    fs.rmSync(this.folder, { recursive: true });
  }
}
