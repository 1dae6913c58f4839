import * as fs from 'node:fs';
import { invalidInput } from '../errors';
import { openRegularFile, otherContent, TOLD_BY } from './regular-file';
import { parseHeader, type StoredTensor } from './safetensors-header';

/**
 * Longest header that is read, in bytes. The Rust and Python readers take 100 MB, which would hold a service's event loop
 * for seconds; a model of a thousand tensors has some 100 KB.
 */
const MAX_HEADER_BYTES = 16_000_000;
/** `readSync` takes at most 2^31 − 1 bytes at a time. */
const READ_BYTES = 1 << 30;

/**
 * A safetensors file, opened for reading ranges of it: nothing but the header is held in memory, and all that the header
 * says was checked when it was opened, so that every tensor's bytes are there.
 */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    private descriptor: number | undefined,
    /** The file's first bytes as they are: length (8 bytes) and header, up to the first tensor. */
    readonly headerBytes: Uint8Array,
    /** In the order of the header; `begin` and `end` count from the file's first byte. */
    readonly tensors: ReadonlyMap<string, StoredTensor>,
    readonly metadata: Readonly<Record<string, string>>,
    /** Size of the whole file in bytes. */
    readonly size: number,
  ) {}

  /**
   * Opens a file and checks its header against its size.
   * @throws HifiError INVALID_INPUT: missing or truncated file; a header over 16 MB or no JSON;
   *   over 100,000 tensors; an unknown dtype; a shape
   *   that does not fit its bytes; offsets past the end, holes, overlaps, names twice
   */
  static open(file: string): SafetensorsFile {
    const descriptor = openRegularFile(file);
    if (descriptor === undefined) throw invalidInput(`${file}: no such file`);
    try {
      const { size } = fs.fstatSync(descriptor);
      refuseOtherContent(file, descriptor, size);
      const headerBytes = readHeader(file, descriptor, size);
      const { tensors, metadata } = parseHeader(file, headerBytes, size);
      return new SafetensorsFile(file, descriptor, headerBytes, tensors, metadata, size);
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
  }

  /** Header's entry of a tensor. @throws HifiError INVALID_INPUT where the file has no such tensor */
  entry(name: string): StoredTensor {
    const entry = this.tensors.get(name);
    if (!entry) throw invalidInput(`${this.path}: has no tensor "${name}"`);
    return entry;
  }

  /** A tensor's bytes, little-endian as stored, in a buffer of its own. */
  bytes(name: string): Uint8Array {
    const { begin, end } = this.entry(name);
    const bytes = new Uint8Array(end - begin);
    this.read(bytes, begin);
    return bytes;
  }

  /**
   * A tensor's numbers, row by row; F16 and BF16 are widened exactly.
   * @param row that row of a matrix alone
   * @throws HifiError INVALID_INPUT for any other dtype
   */
  float32(name: string, row?: number): Float32Array {
    const { dtype, shape, begin, end } = this.entry(name);
    if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') {
      throw invalidInput(`${this.path}: tensor "${name}" is ${dtype}; it must be F32, F16 or BF16`);
    }
    const bytes = row === undefined ? end - begin : (end - begin) / shape[0];
    const stored = new ArrayBuffer(bytes);
    this.read(new Uint8Array(stored), begin + (row ?? 0) * bytes);
    if (dtype === 'F32') return new Float32Array(stored);
    return (dtype === 'F16' ? widenF16 : widenBF16)(new Uint16Array(stored));
  }

  close(): void {
    if (this.descriptor !== undefined) fs.closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  private read(into: Uint8Array, position: number): void {
    if (this.descriptor === undefined) throw new Error(`${this.path}: is closed`);
    readFully(this.path, this.descriptor, into, position);
  }
}

/** A header's length has eight bytes, of which the last are 0: what is known by its first bytes is no safetensors. */
function refuseOtherContent(file: string, descriptor: number, size: number): void {
  const start = Buffer.alloc(Math.min(size, TOLD_BY));
  readFully(file, descriptor, start, 0);
  const other = otherContent(start);
  if (other !== undefined) throw invalidInput(`${file}: ${other}`);
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

function readFully(file: string, descriptor: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length; ) {
    const read = fs.readSync(descriptor, into, done, Math.min(READ_BYTES, into.length - done), position + done);
    if (read === 0) throw invalidInput(`${file}: ends at byte ${position + done}; it was cut short while it was read`);
    done += read;
  }
}

/** The exact value of each half-precision number (sign 1, exponent 5, fraction 10 bits) as single-precision bits. */
export function widenF16(halves: Uint16Array): Float32Array {
  f16Bits ??= Uint32Array.from({ length: 0x10000 }, (_, bits) => f16ToF32Bits(bits));
  const table = f16Bits;
  const wide = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) wide[i] = table[halves[i]];
  return new Float32Array(wide.buffer);
}

let f16Bits: Uint32Array | undefined;

function f16ToF32Bits(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  // A subnormal, fraction · 2^-24: its leading bit becomes the hidden one.
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}

/** The exact value of each bfloat16 number, which is the upper half of a single-precision one. */
export function widenBF16(halves: Uint16Array): Float32Array {
  const wide = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) wide[i] = halves[i] << 16;
  return new Float32Array(wide.buffer);
}

export type { StoredTensor } from './safetensors-header';
export { safetensorsBytes, type TensorSource, writeSafetensors } from './safetensors-writer';
