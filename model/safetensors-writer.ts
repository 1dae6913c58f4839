import { requireRoom } from '../foundation/disk';
import { WholeFile } from '../foundation/whole-file';
import { DTYPE_BITS } from './safetensors-header';

/**
 * Tensor to write. `bytes` is called once, when the tensor is written, so that one tensor at a time
 * is in memory.
 */
export interface TensorSource {
  name: string;
  dtype: string;
  shape: readonly number[];
  /** Returns the tensor's bytes, little-endian, row by row. */
  bytes: () => Uint8Array;
}

/**
 * Writes a safetensors file, whole or not at all. The widest types come first, and the header's
 * length is a multiple of 8, so every tensor is aligned to its type. Tensors of one width keep
 * their order. The same arguments give the same bytes.
 * @throws HifiError DISK_FULL
 * @throws Error for a repeated name, an unknown dtype, or bytes that do not fit the shape
 */
export function writeSafetensors(
  file: string,
  tensors: Iterable<TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const sources = widestFirst(tensors);
  const sizes = sources.map(byteSize);
  const whole = new WholeFile(file);
  try {
    const start = header(sources, sizes, metadata);
    requireRoom(file, start.length + sizes.reduce((sum, size) => sum + size, 0));
    whole.writeBytes(start);
    for (const [i, source] of sources.entries()) {
      const bytes = source.bytes();
      if (bytes.byteLength !== sizes[i]) {
        throw new Error(`tensor "${source.name}" has ${bytes.byteLength} bytes; its shape requires ${sizes[i]}`);
      }
      whole.writeBytes(bytes);
    }
    whole.commit();
  } finally {
    whole.abandon();
  }
}

/** First bytes of the file that {@link writeSafetensors} would write, up to its first tensor. */
export function safetensorsHeader(
  tensors: Iterable<Omit<TensorSource, 'bytes'>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sources = widestFirst(tensors);
  return header(sources, sources.map(byteSize), metadata);
}

const widestFirst = <T extends Omit<TensorSource, 'bytes'>>(tensors: Iterable<T>): T[] =>
  [...tensors].sort((a, b) => (DTYPE_BITS[b.dtype] ?? 0) - (DTYPE_BITS[a.dtype] ?? 0));

/** Size in bytes of the file that {@link writeSafetensors} would write. */
export function safetensorsBytes(
  tensors: readonly Omit<TensorSource, 'bytes'>[],
  metadata: Readonly<Record<string, string>> = {},
): number {
  const sizes = tensors.map(byteSize);
  return safetensorsHeader(tensors, metadata).length + sizes.reduce((sum, size) => sum + size, 0);
}

function byteSize({ name, dtype, shape }: Omit<TensorSource, 'bytes'>): number {
  const bits = DTYPE_BITS[dtype];
  if (bits === undefined) throw new Error(`tensor "${name}" has the unknown dtype ${dtype}`);
  return shape.reduce((product, axis) => product * axis, bits) / 8;
}

function header(
  sources: Omit<TensorSource, 'bytes'>[],
  sizes: number[],
  metadata: Readonly<Record<string, string>>,
): Buffer {
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set('__metadata__', metadata);
  let begin = 0;
  for (const [i, { name, dtype, shape }] of sources.entries()) {
    if (name === '__metadata__' || entries.has(name)) throw new Error(`tensor "${name}": the name is used already`);
    entries.set(name, { dtype, shape, data_offsets: [begin, (begin += sizes[i])] });
  }
  const text = Buffer.from(
    `{${[...entries].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`,
  );
  const padded = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - 8), 0);
  text.copy(padded, 8);
  return padded;
}
