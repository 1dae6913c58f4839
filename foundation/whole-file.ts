import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeFully, writing } from './disk';
import { placeOf, stagedName, unwritable } from './output-path';

/** Characters of text that are buffered before a write. */
const CHUNK = 1 << 20;

/**
 * File that appears whole or not at all. It is written under a temporary name in the same folder,
 * then renamed. If its path is a link, the linked file is replaced.
 */
export class WholeFile {
  private readonly target: string;
  private readonly beside: string;
  private readonly handle: number;
  private pending: string[] = [];
  private pendingLength = 0;
  private open = true;

  /**
   * @throws HifiError INVALID_INPUT if the file's folder cannot be created or written to; DISK_FULL
   */
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

  /** Writes bytes. @param position bytes from the file's start; the end when absent */
  writeBytes(bytes: Uint8Array, position?: number): void {
    this.flush();
    writeFully(this.handle, bytes, this.file, position);
  }

  /** Path at which the bytes so far can be read. */
  written(): string {
    this.flush();
    return this.beside;
  }

  /** Moves the file to its place and replaces an existing one. */
  commit(): void {
    this.flush();
    writing(this.file, () => fs.fsyncSync(this.handle));
    this.close();
    fs.renameSync(this.beside, this.target);
  }

  /** Removes the temporary file; has no effect after `commit`. */
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

/**
 * Replaces a file or a link by one that `write` makes at a temporary path beside it.
 *
 * @throws any error of `write`, which leaves nothing behind
 */
export function replaceWhole(file: string, write: (beside: string) => void): void {
  const beside = path.join(path.dirname(file), stagedName());
  try {
    write(beside);
    fs.renameSync(beside, file);
  } finally {
    fs.rmSync(beside, { force: true });
  }
}
