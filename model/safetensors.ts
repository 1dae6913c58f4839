import * as fs from 'node:fs';
import { invalidInput } from '../errors';
import { type Header, parseHeader } from './safetensors-header';
import { readFully, TensorFile } from './tensor-file';

/** Longest header that is read, in bytes: the limit of the Rust and Python readers. */
const MAX_HEADER_BYTES = 100_000_000;
/**
 * A safetensors file, opened for reading ranges of it: nothing but the header is held in memory, and all that the header
 * says was checked when it was opened, so that every tensor's bytes are there.
 */
export class SafetensorsFile extends TensorFile {
  private constructor(
    path: string,
    descriptor: number,
    /** The file's first bytes as they are: length (8 bytes) and header, up to the first tensor. */
    readonly headerBytes: Uint8Array,
    { tensors, metadata }: Header,
    size: number,
  ) {
    super(path, descriptor, tensors, size);
    this.metadata = metadata;
  }

  readonly metadata: Readonly<Record<string, string>>;

  /**
   * Opens a file and checks its header against its size.
   * @throws HifiError INVALID_INPUT: missing or truncated file; a header over 100 MB or no JSON; an unknown dtype; a shape
   *   that does not fit its bytes; offsets past the end, holes, overlaps, names twice
   */
  static open(file: string): SafetensorsFile {
    let descriptor: number;
    try {
      descriptor = fs.openSync(file, 'r');
    } catch (cause) {
      const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      throw invalidInput(
        `${file}: ${missing ? 'no such file' : `cannot be read (${(cause as Error).message})`}`,
        cause,
      );
    }
    try {
      const stat = fs.fstatSync(descriptor);
      if (!stat.isFile()) throw invalidInput(`${file}: is not a file; a safetensors file was asked for`);
      const headerBytes = readHeader(file, descriptor, stat.size);
      return new SafetensorsFile(file, descriptor, headerBytes, parseHeader(file, headerBytes, stat.size), stat.size);
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
  }
}

function readHeader(file: string, descriptor: number, size: number): Buffer {
  if (size === 0) throw invalidInput(`${file}: is empty; a safetensors file was asked for`);
  if (size < 8)
    throw invalidInput(`${file}: has ${size} bytes; a safetensors file starts with the 8 of its header's length`);
  const length = Buffer.alloc(8);
  readFully(file, descriptor, length, 0);
  const headerLength = length.readBigUInt64LE();
  if (headerLength > MAX_HEADER_BYTES) {
    throw invalidInput(
      `${file}: header of ${headerLength} bytes; at most ${MAX_HEADER_BYTES} are read, is this safetensors?`,
    );
  }
  const end = 8 + Number(headerLength);
  if (end > size) throw invalidInput(`${file}: header ends at byte ${end}, the file at byte ${size}; it is truncated`);
  const bytes = Buffer.alloc(end);
  readFully(file, descriptor, bytes, 0);
  return bytes;
}

export { safetensorsBytes, safetensorsHeader, type TensorSource, writeSafetensors } from './safetensors-writer';
