import { isUtf8 } from 'node:buffer';
import type { Hash } from 'node:crypto';
import { invalidInput } from '../errors';
import { type NamedFile, readBytes } from './bytes';

/** Some whole lines of a text file, as UTF-8. */
export interface LineBlock {
  bytes: Buffer;
  /** The number of the first, from 1, as an editor counts. */
  line: number;
}

/** Longest line that is read: beyond it the file is no text of lines, and would not fit a string. */
export const LONGEST_LINE = 1 << 28;

const LF = 0x0a;
const CR = 0x0d;

/**
 * A text file in blocks of whole lines; a byte order mark is dropped.
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
    line += linesIn(bytes);
    return block;
  };
  for await (const chunk of readBytes(source, hash)) {
    const end = chunk.lastIndexOf(LF) + 1;
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

/** Calls `use` with each line's number and where it starts and ends in the block, line end (LF or CRLF) left out. */
export function eachLine({ bytes, line }: LineBlock, use: (line: number, start: number, end: number) => void): void {
  let number = line;
  for (let start = 0; start < bytes.length; number++) {
    const at = lineEnd(bytes, start);
    use(number, start, at < bytes.length && at > start && bytes[at - 1] === CR ? at - 1 : at);
    start = at + 1;
  }
}

function linesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}

function checkUtf8(path: string, block: LineBlock): void {
  const { bytes } = block;
  if (isUtf8(bytes)) return;
  let { line } = block;
  for (let start = 0; start <= bytes.length; line++) {
    const end = lineEnd(bytes, start);
    if (!isUtf8(bytes.subarray(start, end))) break;
    start = end + 1;
  }
  throw invalidInput(`${path}: line ${line} is not UTF-8; save the file as UTF-8`);
}

function lineEnd(bytes: Buffer, start: number): number {
  const at = bytes.indexOf(LF, start);
  return at < 0 ? bytes.length : at;
}
