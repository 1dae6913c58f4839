import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { readRegularFile } from '../foundation/regular-file';
import { SafetensorsFile, safetensorsBytes, safetensorsHeader } from '../model/safetensors';
import { parseHeader } from '../model/safetensors-header';
import type { TensorFile } from '../model/tensor-file';
import { sha256OfShards, WEIGHTS, type Weights } from '../model/weights';

/** Safetensors file of the base that undoing a merge rebuilds. */
export interface BaseFile {
  name: string;
  /** First bytes: 8 for the length, then the JSON header. */
  header: Uint8Array;
  /** Size of the whole file in bytes. */
  size: number;
}

/** Safetensors files that undoing a merge rebuilds. */
export interface BaseFiles {
  /** Files in the order in which a SHA-256 of several files takes them. */
  files: BaseFile[];
  /** Content of a sharded base's model.safetensors.index.json. */
  index?: Uint8Array;
  /**
   * SHA-256 of the rebuilt files, if they are not the base's own: a base in PyTorch's format is
   * rebuilt as safetensors, each tensor with its own bytes.
   */
  sha256?: string;
}

/**
 * Describes the files that undoing a merge rebuilds: the base's own, or its tensors as safetensors.
 */
export function baseFilesOf(weights: Weights): BaseFiles {
  const own = weights.files.filter((file) => file instanceof SafetensorsFile);
  if (own.length === weights.files.length) {
    const files = own.map((file) => ({ name: path.basename(file.path), header: file.headerBytes, size: file.size }));
    return { files, ...(weights.sharded && { index: readRegularFile(weights.path)! }) };
  }
  const converted = weights.files.map((file, i) => convertedFile(file, nameOf(i, weights)));
  const hashes = converted.map(({ sha256 }) => sha256);
  const files = converted.map(({ name, header, size }) => ({ name, header, size }));
  return weights.sharded
    ? { files, index: convertedIndex(weights), sha256: sha256OfShards(hashes) }
    : { files, sha256: hashes[0] };
}

const shardName = (index: number, count: number) =>
  `model-${String(index + 1).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.safetensors`;

const nameOf = (index: number, { sharded, files }: Weights) => (sharded ? shardName(index, files.length) : WEIGHTS);

/** Metadata that `transformers` writes into its own files, and requires. */
const METADATA = { format: 'pt' };

function convertedFile(file: TensorFile, name: string): BaseFile & { sha256: string } {
  const sources = [...file.tensors].map(([tensor, { dtype, shape }]) => ({ name: tensor, dtype, shape }));
  const header = safetensorsHeader(sources, METADATA);
  const size = safetensorsBytes(sources, METADATA);
  const hash = createHash('sha256').update(header);
  for (const [tensor] of [...parseHeader(file.path, header, size).tensors].sort(([, a], [, b]) => a.begin - b.begin)) {
    hash.update(file.bytes(tensor));
  }
  return { name, header, size, sha256: hash.digest('hex') };
}

function convertedIndex(weights: Weights): Uint8Array {
  const homes = weights.files.flatMap((file, i) =>
    [...file.tensors.keys()].map((tensor) => [tensor, shardName(i, weights.files.length)]),
  );
  return Buffer.from(`${JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(homes) }, null, 2)}\n`);
}
