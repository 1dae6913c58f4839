import * as fs from 'node:fs';
import { invalidInput } from '../foundation/errors';
import { openRegularFile, otherContent, RECOGNISED_BYTES } from '../foundation/regular-file';
import { type Header, parseHeader } from './safetensors-header';
import { readFully, TensorFile } from './tensor-file';

/**
 * Maximum size of a header in bytes. The Rust and Python readers accept 100 MB, which would block a
 * service's event loop for seconds. A model of a thousand tensors has some 100 KB.
 */
const MAX_HEADER_BYTES = 16_000_000;

/**
 * Safetensors file, open for reading ranges of it. Only the header is in memory. It was checked
 * when the file was opened, so every tensor's bytes exist.
 */
export class SafetensorsFile extends TensorFile {
  private constructor(
    path: string,
    descriptor: number,
    /** First bytes of the file: length (8 bytes) and header, up to the first tensor. */
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
   * @throws HifiError INVALID_INPUT for a missing or truncated file; a header over 16 MB or not
   *   JSON; over 100,000 tensors; an unknown dtype; a shape that does not fit its bytes; offsets
   *   past the end; holes; overlaps; repeated names
   */
  static open(file: string): SafetensorsFile {
    const descriptor = openRegularFile(file);
    if (descriptor === undefined) throw invalidInput(`${file}: no such file`);
    try {
      const { size } = fs.fstatSync(descriptor);
      refuseOtherContent(file, descriptor, size);
      const headerBytes = readHeader(file, descriptor, size);
      return new SafetensorsFile(file, descriptor, headerBytes, parseHeader(file, headerBytes, size), size);
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
  }
}

/**
 * Refuses a file of another kind. The last bytes of a header's 8-byte length are 0, so a file that
 * starts with other bytes is no safetensors file.
 */
function refuseOtherContent(file: string, descriptor: number, size: number): void {
  const start = Buffer.alloc(Math.min(size, RECOGNISED_BYTES));
  readFully(file, descriptor, start, 0);
  const other = otherContent(start);
  if (other !== undefined) throw invalidInput(`${file}: ${other}`);
}

function readHeader(file: string, descriptor: number, size: number): Buffer {
  if (size === 0) throw invalidInput(`${file}: is empty; expected a safetensors file`);
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
