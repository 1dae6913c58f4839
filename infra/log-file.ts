import * as fs from 'node:fs';

/** Number of retries for a full pipe, and the pause before each, in milliseconds. */
const [TRIES, PAUSE_MS] = [20, 5];

/**
 * Writes lines to a descriptor, each before the call returns, so that a crash loses none. It never
 * throws. A line is lost if the disk is full or the reader of a pipe is stuck. The next line that
 * succeeds is preceded by the number of lost lines.
 */
export class LogFile {
  private lost = 0;
  /** True if the last line was written in part. */
  private torn = false;

  constructor(private readonly descriptor: number) {}

  /** Writes a line. @param line text with its line break */
  write(line: string): void {
    const report = this.lost === 0 ? '' : `${lossLine(this.lost)}\n`;
    const text = Buffer.from(`${this.torn ? '\n' : ''}${report}${line}`);
    const done = this.written(text);
    if (done > 0) this.torn = done < text.length;
    if (done < text.length) this.lost++;
    else this.lost = 0;
  }

  /** Writes as much as possible. @returns the number of bytes written */
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
