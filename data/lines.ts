import { isUtf8 } from 'node:buffer';
import type { Hash } from 'node:crypto';
import { invalidInput } from '../foundation/errors';
import { type NamedFile, readBytes } from './bytes';

/** Block of whole lines of a UTF-8 text file. */
export interface LineBlock {
  /** Bytes of the lines; a block never ends between a CR and its LF. */
  bytes: Buffer;
  /** Number of the first line, from 1, as editors count. */
  line: number;
}

/** Bytes of the longest line that is read. A longer one is not text and would not fit a string. */
export const LONGEST_LINE = 1 << 28;

export const LF = 0x0a;
export const CR = 0x0d;

/**
 * Reads a text file in blocks of whole lines, each ended by LF, CRLF or CR; drops a byte order
 * mark.
 * @throws HifiError INVALID_INPUT if the file is unreadable, or a line is not UTF-8 or longer than
 *   256 MiB
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

/** Calls `use` with each line's number, start and end in the block, without its line end. */
export function eachLine({ bytes, line }: LineBlock, use: (line: number, start: number, end: number) => void): void {
  const ends = new LineEnds(bytes);
  let number = line;
  for (let start = 0; start < bytes.length; start = ends.next) use(number++, start, ends.after(start));
}

/** Counts the line ends within a part of a block. */
function lineEnds(bytes: Buffer, from: number, to: number): number {
  const ends = new LineEnds(bytes);
  let count = 0;
  for (let start = from; ends.after(start) < to; start = ends.next) count++;
  return count;
}

/** Finds the line ends of a block, of any kind, in ascending order. */
class LineEnds {
  /** Start of the line after the last line end that was found. */
  next = 0;
  private lf = -1;
  private cr = -1;

  constructor(private readonly bytes: Buffer) {}

  /** Returns the first line end from `start` on, or the block's length. */
  after(start: number): number {
    const { bytes } = this;
    const { length } = bytes;
    // Each kind is searched again only when its last match is behind: a block without it is
    // searched once.
    if (this.lf < start) this.lf = found(bytes.indexOf(LF, start), length);
    if (this.cr < start) this.cr = found(bytes.indexOf(CR, start), length);
    const end = Math.min(this.lf, this.cr);
    this.next = this.lf === this.cr + 1 ? this.lf + 1 : end + 1;
    return end;
  }
}

const found = (at: number, length: number) => (at < 0 ? length : at);

/**
 * Returns the end of a chunk's last line end, or 0 if there is none. A CR at the chunk's end may be
 * half of a CRLF.
 */
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
