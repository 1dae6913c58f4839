import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { writing } from '../disk';
import { invalidInput, isNoSpace } from '../errors';

/** Characters that are gathered before they are written. */
const CHUNK = 1 << 20;

/** A text file that appears whole or not at all: it is written beside its place, then renamed. */
export class WholeFile {
  private readonly beside: string;
  private readonly handle: number;
  private pending: string[] = [];
  private pendingLength = 0;
  private open = true;

  /** @throws HifiError INVALID_INPUT where the file's folder cannot be made or written to; DISK_FULL. */
  constructor(private readonly file: string) {
    const target = path.resolve(file);
    this.beside = path.join(path.dirname(target), `.${path.basename(target)}.${crypto.randomUUID()}`);
    try {
      writing(file, () => fs.mkdirSync(path.dirname(target), { recursive: true }));
      this.handle = writing(file, () => fs.openSync(this.beside, 'wx'));
    } catch (error) {
      if (isNoSpace(error)) throw error;
      throw invalidInput(`${file} cannot be written: ${(error as Error).message}`, error);
    }
  }

  write(text: string): void {
    this.pending.push(text);
    this.pendingLength += text.length;
    if (this.pendingLength >= CHUNK) this.flush();
  }

  /** Puts the file in its place; what was there is replaced. */
  commit(): void {
    this.flush();
    writing(this.file, () => fs.fsyncSync(this.handle));
    this.close();
    fs.renameSync(this.beside, path.resolve(this.file));
  }

  /** Leaves nothing behind; of no effect after `commit`. */
  abandon(): void {
    if (this.open) this.close();
    fs.rmSync(this.beside, { force: true });
  }

  private flush(): void {
    writing(this.file, () => fs.writeFileSync(this.handle, this.pending.join('')));
    this.pending = [];
    this.pendingLength = 0;
  }

  private close(): void {
    this.open = false;
    fs.closeSync(this.handle);
  }
}

/** Writes a text file whole or not at all. */
export function writeWhole(file: string, text: string): void {
  const whole = new WholeFile(file);
  try {
    whole.write(text);
    whole.commit();
  } finally {
    whole.abandon();
  }
}
