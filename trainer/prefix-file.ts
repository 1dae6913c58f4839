import * as fs from 'node:fs';
import * as path from 'node:path';
import { freeBytes, requireRoom, writing } from '../foundation/disk';
import { isLeft, MARK, processMark } from '../foundation/process-identity';

/** Open file with the output of the frozen layers. */
export interface PrefixFile {
  readonly descriptor: number;
  /** Its path, for messages. */
  readonly path: string;
  /** True if an earlier training has written it. */
  readonly isReused: boolean;
  /** Completes a file that is not reused. */
  finish(): void;
  close(): void;
}

/** Opens a file for reading, or creates it. @param bytes size of the whole file */
export type PrefixPlace = (bytes: number) => PrefixFile;

/** Place of a file that is unlinked at once and lives until it is closed. */
export const unlinkedFile =
  (file: string): PrefixPlace =>
  (bytes) => {
    const descriptor = created(file, bytes);
    fs.unlinkSync(file);
    return { descriptor, path: file, isReused: false, finish: () => {}, close: () => fs.closeSync(descriptor) };
  };

/** Default limit of a folder, in bytes. */
const MOST_BYTES = 4e9;

const NAME = /^[0-9a-f]{64}\.f32$/;
/** File that a process is writing, or was writing when it was killed: `NAME.MARK`. */
const UNFINISHED = new RegExp(`^[0-9a-f]{64}\\.f32\\.(${MARK})$`);

/**
 * Folder of files with the frozen layers' output, which trainings of several processes share. A
 * file appears whole, under a name that stands for all that its content depends on. Before the
 * folder exceeds its limit or fills the disk, the least recently used files leave. A file that is
 * open stays readable.
 */
export class PrefixFolder {
  /** @param limit most bytes of all files */
  constructor(
    private readonly folder: string,
    private readonly limit = MOST_BYTES,
  ) {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Place of a file by its name. A file beyond the limit is not shared. */
  place =
    (name: string): PrefixPlace =>
    (bytes) => {
      const whole = this.path(name);
      const reused = this.open(name, bytes);
      if (reused !== undefined) {
        const close = () => fs.closeSync(reused);
        return { descriptor: reused, path: whole, isReused: true, finish: () => {}, close };
      }
      const unfinished = `${whole}.${processMark()}`;
      if (bytes > this.limit) return unlinkedFile(unfinished)(bytes);
      this.makeRoom(bytes);
      const descriptor = created(unfinished, bytes);
      return {
        descriptor,
        path: whole,
        isReused: false,
        finish() {
          // A later process recognises a complete file by its size alone.
          writing(whole, () => fs.fsyncSync(descriptor));
          fs.renameSync(unfinished, whole);
        },
        close() {
          fs.closeSync(descriptor);
          fs.rmSync(unfinished, { force: true });
        },
      };
    };

  /**
   * Opens a whole file and marks it as used.
   *
   * @returns undefined if it is missing or has another size
   */
  private open(name: string, bytes: number): number | undefined {
    const file = openIfThere(this.path(name));
    if (file === undefined) return undefined;
    const { size, mode } = fs.fstatSync(file);
    if (size !== bytes) {
      fs.closeSync(file);
      return undefined;
    }
    // The ctime is the last use: setting the same mode updates only it.
    fs.fchmodSync(file, mode & 0o777);
    return file;
  }

  /** Removes the least recently used files until a file of that size fits. */
  private makeRoom(bytes: number): void {
    this.dropUnfinished();
    const files = this.files();
    let sum = files.reduce((all, { size }) => all + size, 0);
    for (const { name, size } of files.filter(isWhole).toSorted((a, b) => a.time - b.time)) {
      if (sum + bytes <= this.limit && bytes <= freeBytes(this.folder)) return;
      fs.rmSync(this.path(name), { force: true });
      sum -= size;
    }
  }

  // ---- as a cache that is swept (`infra/artifacts/cache-sweep.ts`) ----

  /** Lists the whole files with the times of their last use, in milliseconds since the epoch. */
  async *list(): AsyncGenerator<{ sha256: string; time: number }> {
    for (const { name, time } of this.files().filter(isWhole)) yield { sha256: path.parse(name).name, time };
  }

  async remove(sha256: string): Promise<void> {
    fs.rmSync(this.path(`${sha256}.f32`), { force: true });
  }

  async dropParts(): Promise<void> {
    this.dropUnfinished();
  }

  /** Removes what killed processes were writing. */
  private dropUnfinished(): void {
    for (const { name } of this.files()) {
      const [, mark] = UNFINISHED.exec(name) ?? [];
      if (mark !== undefined && isLeft(this.path(name), mark)) fs.rmSync(this.path(name), { force: true });
    }
  }

  private path = (name: string) => path.join(this.folder, name);

  private files(): { name: string; size: number; time: number }[] {
    return fs.readdirSync(this.folder).flatMap((name) => {
      const stat = fs.statSync(this.path(name), { throwIfNoEntry: false });
      return stat ? [{ name, size: stat.size, time: stat.ctimeMs }] : [];
    });
  }
}

const isWhole = ({ name }: { name: string }) => NAME.test(name);

/** Creates a file for writing and reading. @throws HifiError DISK_FULL without room for it */
function created(file: string, bytes: number): number {
  requireRoom(file, bytes);
  return writing(file, () => fs.openSync(file, 'w+'));
}

/** Opens a file that another process may remove. */
function openIfThere(file: string): number | undefined {
  try {
    return fs.openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
