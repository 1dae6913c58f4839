import { isUtf8 } from 'node:buffer';
import type { Hash } from 'node:crypto';
import { invalidInput } from '../errors';
import { type NamedFile, readBytes } from './bytes';

/** Some whole lines of a text file, as UTF-8. */
export interface LineBlock {
  /** Never ends between the CR and the LF of one line end. */
  bytes: Buffer;
  /** The number of the first, from 1, as an editor counts. */
  line: number;
}

/** Longest line that is read: beyond it the file is no text of lines, and would not fit a string. */
export const LONGEST_LINE = 1 << 28;

export const LF = 0x0a;
export const CR = 0x0d;

/**
 * A text file in blocks of whole lines, each ended by LF, CRLF or CR; a byte order mark is dropped.
 * @throws HifiError INVALID_INPUT when the file cannot be read, or for a line that is not UTF-8 or longer than 256 MiB
 */
export async function* lineBlocks(source: NamedFile, hash?: Hash): AsyncGenerator<LineBlock> {
  let line = 1;
  let begun: Buffer[] = [];
  let pending = 0;
  const whole = (bytes: Buffer): LineBlock => {
    const marked = line === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    const block = { bytes: marked ? bytes.subarray(3) : bytes, line };
    checkUtf8(source.path, block);
    line += lineEnds(bytes, 0, bytes.length);
    return block;
  };
  for await (const chunk of readBytes(source, hash)) {
    const end = lastLineEnd(chunk);
    if (end > 0) yield whole(Buffer.concat([...begun, chunk.subarray(0, end)]));
    if (end > 0) [begun, pending] = [[], 0];
    begun.push(chunk.subarray(end));
    pending += chunk.length - end;
    if (pending > LONGEST_LINE) {
      throw invalidInput(`${source.path}: line ${line} is longer than 256 MiB; is it a text file?`);
    }
  }
  if (pending > 0) yield whole(Buffer.concat(begun));
}

/** Calls `use` with each line's number and where it starts and ends in the block, its line end left out. */
export function eachLine({ bytes, line }: LineBlock, use: (line: number, start: number, end: number) => void): void {
  const ends = new LineEnds(bytes);
  let number = line;
  for (let start = 0; start < bytes.length; start = ends.next) use(number++, start, ends.after(start));
}

/** How many lines end within a part of a block. */
function lineEnds(bytes: Buffer, from: number, to: number): number {
  const ends = new LineEnds(bytes);
  let count = 0;
  for (let start = from; ends.after(start) < to; start = ends.next) count++;
  return count;
}

/** The line ends of a block, whichever they are, in ascending order. */
class LineEnds {
  /** Where the line after the last end that was found begins. */
  next = 0;
  private lf = -1;
  private cr = -1;

  constructor(private readonly bytes: Buffer) {}

  /** The first line end from `start` on, or the block's length. */
  after(start: number): number {
    const { bytes } = this;
    const { length } = bytes;
    // Each is looked for again only when it lies behind: a block without the one or the other is searched for it once.
    if (this.lf < start) this.lf = found(bytes.indexOf(LF, start), length);
    if (this.cr < start) this.cr = found(bytes.indexOf(CR, start), length);
    const end = Math.min(this.lf, this.cr);
    this.next = this.lf === this.cr + 1 ? this.lf + 1 : end + 1;
    return end;
  }
}

const found = (at: number, length: number) => (at < 0 ? length : at);

/** The end of a chunk's last line end; 0 where it has none. A CR that ends the chunk may be half of one. */
function lastLineEnd(chunk: Buffer): number {
  const lf = chunk.lastIndexOf(LF) + 1;
  return lf > 0 || chunk.length < 2 ? lf : chunk.lastIndexOf(CR, chunk.length - 2) + 1;
}

function checkUtf8(path: string, block: LineBlock): void {
  if (isUtf8(block.bytes)) return;
  eachLine(block, (line, start, end) => {
    if (isUtf8(block.bytes.subarray(start, end))) return;
    throw invalidInput(`${path}: line ${line} is not UTF-8; save the file as UTF-8`);
  });
}
