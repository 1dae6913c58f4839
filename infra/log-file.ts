import * as fs from 'node:fs';

/** How often a pipe that is full is tried again, and after how long each time, in milliseconds. */
const [TRIES, PAUSE_MS] = [20, 5];

/**
 * Lines to a descriptor, each written before the call returns, so that a crash loses none. It never throws: a line that finds a
 * full disk, or a pipe whose reader takes nothing, is lost, and the next one that can be written is preceded by how many were.
 */
export class LogFile {
  private lost = 0;
  /** Whether the last line was written in part. */
  private torn = false;

  constructor(private readonly descriptor: number) {}

  /** @param line with its line break */
  write(line: string): void {
    const told = this.lost === 0 ? '' : `${lossLine(this.lost)}\n`;
    const text = Buffer.from(`${this.torn ? '\n' : ''}${told}${line}`);
    const done = this.written(text);
    if (done > 0) this.torn = done < text.length;
    if (done < text.length) this.lost++;
    else this.lost = 0;
  }

  /** Writes what can be written. @returns how many bytes */
  private written(bytes: Buffer): number {
    let done = 0;
    for (let tries = 0; done < bytes.length; ) {
      try {
        done += fs.writeSync(this.descriptor, bytes, done);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || ++tries > TRIES) return done;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
      }
    }
    return done;
  }
}

const lossLine = (lines: number) =>
  JSON.stringify({
    level: 'warn',
    time: new Date().toISOString(),
    lost: lines,
    msg: 'lines of the log could not be written',
  });
