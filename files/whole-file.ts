import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeFully, writing } from './disk';
import { placeOf, stagedName, unwritable } from './place';

/** Characters of text that are gathered before they are written. */
const CHUNK = 1 << 20;

/**
 * A file that appears whole or not at all: it is written under a name of its own in the same folder, then renamed. A link is
 * followed: the file that it leads to is replaced.
 */
export class WholeFile {
  private readonly target: string;
  private readonly beside: string;
  private readonly handle: number;
  private pending: string[] = [];
  private pendingLength = 0;
  private open = true;

  /** @throws HifiError INVALID_INPUT where the file's folder cannot be made or written to; DISK_FULL. */
  constructor(private readonly file: string) {
    this.target = placeOf(file);
    const folder = path.dirname(this.target);
    this.beside = path.join(folder, stagedName());
    try {
      writing(file, () => fs.mkdirSync(folder, { recursive: true }));
      this.handle = writing(file, () => fs.openSync(this.beside, 'wx'));
    } catch (error) {
      throw unwritable(file, folder, error);
    }
  }

  /** Appends text. */
  write(text: string): void {
    this.pending.push(text);
    this.pendingLength += text.length;
    if (this.pendingLength >= CHUNK) this.flush();
  }

  /** Writes bytes at their place, or appends them. @param position bytes from the file's start; at the end when absent */
  writeBytes(bytes: Uint8Array, position?: number): void {
    this.flush();
    writeFully(this.handle, bytes, this.file, position);
  }

  /** Path at which the bytes so far can be read. */
  written(): string {
    this.flush();
    return this.beside;
  }

  /** Puts the file in its place; what was there is replaced. */
  commit(): void {
    this.flush();
    writing(this.file, () => fs.fsyncSync(this.handle));
    this.close();
    fs.renameSync(this.beside, this.target);
  }

  /** Leaves nothing behind; of no effect after `commit`. */
  abandon(): void {
    if (this.open) this.close();
    fs.rmSync(this.beside, { force: true });
  }

  private flush(): void {
    if (this.pending.length === 0) return;
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
