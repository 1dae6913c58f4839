import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../errors';
import { sha256OfFile } from './hash';
import { isJsonObject, readJsonObject, shown } from './json-file';
import { SafetensorsFile, type StoredTensor } from './safetensors';

/** The file of a checkpoint in one piece. */
export const WEIGHTS = 'model.safetensors';
/** The file that says which file of a sharded one holds which tensor. */
export const WEIGHTS_INDEX = 'model.safetensors.index.json';

/** All tensors of a model folder by the names they are stored under: of one model.safetensors, or of the files of an index. */
export class Weights {
  /** `begin` and `end` count from the first byte of the tensor's own file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;

  private constructor(
    /** model.safetensors, or the index of a sharded checkpoint. */
    readonly path: string,
    /** In the index's order: that in which it first names them. */
    readonly files: readonly SafetensorsFile[],
    private readonly homes: ReadonlyMap<string, SafetensorsFile>,
  ) {
    this.tensors = new Map([...homes].map(([name, file]) => [name, file.entry(name)]));
  }

  /**
   * Opens `model.safetensors`, or where there is none the files that `model.safetensors.index.json` names, and checks that
   * files and index say the same.
   * @throws HifiError INVALID_INPUT, one line that names file and tensor: a file that is missing or none of the folder's
   *   own, a tensor that is missing, elsewhere, twice or not in the index; and whatever is wrong with a file's header
   */
  static open(folder: string): Weights {
    const single = path.join(folder, WEIGHTS);
    const index = path.join(folder, WEIGHTS_INDEX);
    const sharded = !fs.existsSync(single) && fs.existsSync(index);
    if (!sharded) refuseMissing(folder, single);
    const listed = sharded ? readWeightsIndex(index) : undefined;
    const files: SafetensorsFile[] = [];
    try {
      for (const name of listed ? new Set(listed.values()) : [WEIGHTS]) {
        const file = path.join(folder, name);
        if (!fs.existsSync(file)) throw invalidInput(`${file}: no such file; ${WEIGHTS_INDEX} names it`);
        files.push(SafetensorsFile.open(file));
      }
      const homes = homesOf(files);
      if (listed) checkIndex(index, listed, homes);
      return new Weights(sharded ? index : single, files, homes);
    } catch (error) {
      for (const file of files) file.close();
      throw error;
    }
  }

  /** The file that holds a tensor. @throws HifiError INVALID_INPUT where none does */
  fileOf(name: string): SafetensorsFile {
    const file = this.homes.get(name);
    if (!file) throw invalidInput(`${this.path}: has no tensor "${name}"`);
    return file;
  }

  /** Header's entry of a tensor. @throws HifiError INVALID_INPUT where there is no such tensor */
  entry(name: string): StoredTensor {
    return this.fileOf(name).entry(name);
  }

  /** A tensor's bytes, little-endian as stored, in a buffer of its own. */
  bytes(name: string): Uint8Array {
    return this.fileOf(name).bytes(name);
  }

  /** A tensor's numbers, row by row; F16 and BF16 are widened exactly; one row of a matrix, or all. */
  float32(name: string, row?: number): Float32Array {
    return this.fileOf(name).float32(name, row);
  }

  /** Hex SHA-256 of the file; of several files that of their hashes in the index's order, joined by newlines. */
  async sha256(): Promise<string> {
    const hashes: string[] = [];
    for (const file of this.files) hashes.push(await sha256OfFile(file.path));
    return this.sharded ? sha256OfShards(hashes) : hashes[0];
  }

  /** Whether an index names the files. */
  get sharded(): boolean {
    return this.path !== this.files[0].path;
  }

  close(): void {
    for (const file of this.files) file.close();
  }
}

/** A sharded checkpoint's SHA-256 from those of its files, in the index's order. All in hexadecimal. */
export const sha256OfShards = (hashes: readonly string[]) =>
  createHash('sha256').update(hashes.join('\n')).digest('hex');

function refuseMissing(folder: string, single: string): void {
  if (fs.existsSync(single)) return;
  if (fs.existsSync(path.join(folder, 'pytorch_model.bin'))) {
    throw invalidInput(`${single}: no such file; pytorch_model.bin is not read, save the model as safetensors`);
  }
  throw invalidInput(`${single}: no such file; a model folder holds config.json, model.safetensors, tokenizer.json`);
}

/** Tensor → file, as the index's `weight_map` has it; files are names within the folder, whatever a stranger wrote there. */
export function readWeightsIndex(index: string): Map<string, string> {
  const map = readJsonObject(index)?.weight_map;
  if (!isJsonObject(map) || Object.keys(map).length === 0) {
    throw invalidInput(`${index}: weight_map is ${shown(map)}; it must map tensors to files`);
  }
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !/^[^/\\\0]+\.safetensors$/.test(file)) {
      const right = 'the name of a .safetensors file in the same folder';
      throw invalidInput(`${index}: weight_map has tensor "${tensor}" in ${shown(file)}; it must be ${right}`);
    }
  }
  return new Map(Object.entries(map) as [string, string][]);
}

function homesOf(files: readonly SafetensorsFile[]): Map<string, SafetensorsFile> {
  const homes = new Map<string, SafetensorsFile>();
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      const other = homes.get(name);
      if (other) throw invalidInput(`${file.path}: tensor "${name}" is in ${path.basename(other.path)} too`);
      homes.set(name, file);
    }
  }
  return homes;
}

function checkIndex(
  index: string,
  listed: ReadonlyMap<string, string>,
  homes: ReadonlyMap<string, SafetensorsFile>,
): void {
  for (const [name, file] of listed) {
    const home = homes.get(name);
    if (!home) throw invalidInput(`${index}: tensor "${name}" is not in ${file}, nor in any of the files`);
    const found = path.basename(home.path);
    if (found !== file) throw invalidInput(`${index}: tensor "${name}" is not in ${file} but in ${found}`);
  }
  for (const [name, { path: file }] of homes) {
    if (!listed.has(name))
      throw invalidInput(`${index}: tensor "${name}" of ${path.basename(file)} is not in weight_map`);
  }
}
