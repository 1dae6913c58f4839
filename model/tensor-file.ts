import * as fs from 'node:fs';
import { invalidInput } from '../foundation/errors';
import { widenBF16, widenF16 } from './half-precision';

/** Maximum number of bytes that `readSync` reads at a time: 2^31 − 1. */
const READ_BYTES = 1 << 30;

/** Place of a tensor in its file; `begin` and `end` are bytes from the start of the file. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
  /** Distance between neighbours along each axis, in numbers; absent for row-major tensors. */
  readonly strides?: readonly number[];
}

/** Bytes per number of each type that a strided tensor may have. */
const STRIDED_BYTES: Readonly<Record<string, number>> = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, I16: 2 };

/**
 * File of named tensors, open for reading ranges of it. Only the table of its tensors is in memory.
 * Its opener has checked that every tensor's bytes are in the file.
 */
export abstract class TensorFile {
  protected constructor(
    readonly path: string,
    private descriptor: number | undefined,
    /** Tensors in the order of the file's own table. */
    readonly tensors: ReadonlyMap<string, StoredTensor>,
    /** Size of the whole file in bytes. */
    readonly size: number,
  ) {}

  /**
   * Returns the table's entry of a tensor.
   * @throws HifiError INVALID_INPUT if the file has no such tensor
   */
  entry(name: string): StoredTensor {
    const entry = this.tensors.get(name);
    if (!entry) throw invalidInput(`${this.path}: has no tensor "${name}"`);
    return entry;
  }

  /** Reads a tensor's bytes, little-endian and row-major, into a new buffer. */
  bytes(name: string): Uint8Array {
    const entry = this.entry(name);
    const stored = this.range(entry.begin, entry.end);
    return entry.strides === undefined ? stored : inRows(stored, entry, entry.strides);
  }

  /** Reads a row-major tensor's bytes into memory of that size. */
  read(name: string, into: Uint8Array): void {
    const { begin } = this.entry(name);
    readFully(this.path, this.open(), into, begin);
  }

  /**
   * Reads a tensor's numbers, row-major; widens F16 and BF16 exactly.
   * @param row index of the only row to read
   * @throws HifiError INVALID_INPUT for any other dtype
   */
  float32(name: string, row?: number): Float32Array {
    const { dtype, shape, begin, end, strides } = this.entry(name);
    if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') {
      throw invalidInput(`${this.path}: tensor "${name}" is ${dtype}; it must be F32, F16 or BF16`);
    }
    let stored: Uint8Array;
    if (row === undefined) stored = this.bytes(name);
    else if (strides === undefined) {
      const bytes = (end - begin) / shape[0];
      stored = this.range(begin + row * bytes, begin + (row + 1) * bytes);
    } else {
      const bytes = this.bytes(name);
      stored = bytes.slice((row * bytes.length) / shape[0], ((row + 1) * bytes.length) / shape[0]);
    }
    const { buffer } = stored;
    if (dtype === 'F32') return new Float32Array(buffer);
    return (dtype === 'F16' ? widenF16 : widenBF16)(new Uint16Array(buffer));
  }

  close(): void {
    if (this.descriptor !== undefined) fs.closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  private range(begin: number, end: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(end - begin);
    readFully(this.path, this.open(), bytes, begin);
    return bytes;
  }

  /** Descriptor of the file. */
  private open(): number {
    if (this.descriptor === undefined) throw new Error(`${this.path}: is closed`);
    return this.descriptor;
  }
}

/**
 * Reads from a position until `into` is full.
 * @throws HifiError INVALID_INPUT if the file ends before that
 */
export function readFully(file: string, descriptor: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length; ) {
    const read = fs.readSync(descriptor, into, done, Math.min(READ_BYTES, into.length - done), position + done);
    if (read === 0) throw invalidInput(`${file}: ends at byte ${position + done}; it was truncated while it was read`);
    done += read;
  }
}

/**
 * Copies a strided tensor, such as a transposed view, to row-major order. `stored` begins with the
 * tensor's first number.
 */
function inRows(
  stored: Uint8Array,
  { dtype, shape }: StoredTensor,
  strides: readonly number[],
): Uint8Array<ArrayBuffer> {
  const size = STRIDED_BYTES[dtype] ?? 1;
  const total = shape.reduce((product, axis) => product * axis, 1);
  const rows = new Uint8Array(total * size);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < total; to++) {
    rows.set(stored.subarray(from * size, (from + 1) * size), to * size);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return rows;
}
