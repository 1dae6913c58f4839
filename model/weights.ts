import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput, shown } from '../foundation/errors';
import { sha256Of, sha256OfFile } from '../foundation/hash';
import { isJsonObject, readJsonObject } from '../foundation/json-file';
import { SafetensorsFile } from './safetensors';
import type { StoredTensor, TensorFile } from './tensor-file';
import { TorchFile } from './torch/torch-file';

/** File of a checkpoint in one piece. */
export const WEIGHTS = 'model.safetensors';
/** Index of a sharded checkpoint: the file of each tensor. */
export const WEIGHTS_INDEX = 'model.safetensors.index.json';

/** Way to store a checkpoint's weights: in one file, or in several that an index names. */
export interface WeightsForm {
  readonly single: string;
  readonly index: string;
  /** Extension of an index's files. */
  readonly ending: string;
  open(file: string): TensorFile;
}

/** Forms in order of preference: if a folder has several, the first is read. */
export const WEIGHTS_FORMS: readonly WeightsForm[] = [
  { single: WEIGHTS, index: WEIGHTS_INDEX, ending: '.safetensors', open: (file) => SafetensorsFile.open(file) },
  {
    single: 'pytorch_model.bin',
    index: 'pytorch_model.bin.index.json',
    ending: '.bin',
    open: (file) => TorchFile.open(file),
  },
];

/** Form of the weights of a folder or repository; undefined if it has no supported one. */
export const weightsFormOf = (has: (name: string) => boolean): WeightsForm | undefined =>
  WEIGHTS_FORMS.find(({ single, index }) => has(single) || has(index));

/** Tensors of a model folder by stored name: of one file, or of the files of an index. */
export class Weights {
  /**
   * Tensors by stored name. `begin` and `end` count from the first byte of the tensor's own file.
   */
  readonly tensors: ReadonlyMap<string, StoredTensor>;

  private constructor(
    /** Path of the one file, or of the index of a sharded checkpoint. */
    readonly path: string,
    /** Files in the order in which the index first names them. */
    readonly files: readonly TensorFile[],
    private readonly homes: ReadonlyMap<string, TensorFile>,
  ) {
    this.tensors = new Map([...homes].map(([name, file]) => [name, file.entry(name)]));
  }

  /**
   * Opens the folder's weights: `model.safetensors`, else the files that
   * `model.safetensors.index.json` names, else `pytorch_model.bin` or the files of its index.
   * Checks that files and index agree.
   * @throws HifiError INVALID_INPUT, one line with file and tensor: a file is missing or outside of
   *   the folder; a tensor is missing, elsewhere, twice or not in the index; or a file's header is
   *   invalid
   */
  static open(folder: string): Weights {
    const form = weightsFormOf((name) => fs.existsSync(path.join(folder, name)));
    if (form === undefined) {
      const right = `a model folder holds config.json, ${WEIGHTS} or ${WEIGHTS_FORMS[1].single}, tokenizer.json`;
      throw invalidInput(`${path.join(folder, WEIGHTS)}: no such file; ${right}`);
    }
    const single = path.join(folder, form.single);
    const index = path.join(folder, form.index);
    const sharded = !fs.existsSync(single);
    const listed = sharded ? readWeightsIndex(index, form) : undefined;
    const files: TensorFile[] = [];
    try {
      for (const name of listed ? new Set(listed.values()) : [form.single]) {
        const file = path.join(folder, name);
        if (!fs.existsSync(file)) throw invalidInput(`${file}: no such file; ${form.index} names it`);
        files.push(form.open(file));
      }
      const homes = homesOf(files);
      if (listed) checkIndex(index, listed, homes);
      return new Weights(sharded ? index : single, files, homes);
    } catch (error) {
      for (const file of files) file.close();
      throw error;
    }
  }

  /** File that holds a tensor. @throws HifiError INVALID_INPUT if none does */
  fileOf(name: string): TensorFile {
    const file = this.homes.get(name);
    if (!file) throw invalidInput(`${this.path}: has no tensor "${name}"`);
    return file;
  }

  /** Header's entry of a tensor. @throws HifiError INVALID_INPUT if there is no such tensor */
  entry(name: string): StoredTensor {
    return this.fileOf(name).entry(name);
  }

  /** Reads a tensor's bytes, little-endian as stored, into a new buffer. */
  bytes(name: string): Uint8Array {
    return this.fileOf(name).bytes(name);
  }

  /**
   * Reads a tensor's numbers, row by row, or one row of a matrix. F16 and BF16 are widened exactly.
   */
  float32(name: string, row?: number): Float32Array {
    return this.fileOf(name).float32(name, row);
  }

  /**
   * SHA-256 of the file in hexadecimal; of several files that of their hashes in the index's order,
   * joined by newlines.
   */
  async sha256(): Promise<string> {
    const hashes: string[] = [];
    for (const file of this.files) hashes.push(await knownSha256(file.path));
    return this.sharded ? sha256OfShards(hashes) : hashes[0];
  }

  /** True if an index names the files. */
  get sharded(): boolean {
    return this.path !== this.files[0].path;
  }

  close(): void {
    for (const file of this.files) file.close();
  }
}

/** SHA-256 of files by their state, which differs for a changed file. */
const known = new Map<string, string>();

/** SHA-256 of a file, which a process computes once as long as the file does not change. */
async function knownSha256(file: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = fs.statSync(file, { bigint: true });
  const state = [dev, ino, size, mtimeNs, ctimeNs].join();
  const sha256 = known.get(state) ?? (await sha256OfFile(file));
  known.set(state, sha256);
  return sha256;
}

/**
 * SHA-256 of a sharded checkpoint, from those of its files in the index's order. All are
 * hexadecimal.
 */
export const sha256OfShards = (hashes: readonly string[]) => sha256Of(hashes.join('\n'));

/**
 * Reads the file of each tensor from an index's `weight_map`. Checks that each is a file name
 * within the folder.
 */
export function readWeightsIndex(index: string, { ending }: Pick<WeightsForm, 'ending'>): Map<string, string> {
  const map = readJsonObject(index)?.weight_map;
  if (!isJsonObject(map) || Object.keys(map).length === 0) {
    throw invalidInput(`${index}: weight_map is ${shown(map)}; it must map tensors to files`);
  }
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !/^[^/\\\0]+$/.test(file) || !file.endsWith(ending) || file === ending) {
      const right = `the name of a ${ending} file in the same folder`;
      throw invalidInput(`${index}: weight_map has tensor "${tensor}" in ${shown(file)}; it must be ${right}`);
    }
  }
  return new Map(Object.entries(map) as [string, string][]);
}

function homesOf(files: readonly TensorFile[]): Map<string, TensorFile> {
  const homes = new Map<string, TensorFile>();
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      const other = homes.get(name);
      if (other) throw invalidInput(`${file.path}: tensor "${name}" is also in ${path.basename(other.path)}`);
      homes.set(name, file);
    }
  }
  return homes;
}

function checkIndex(index: string, listed: ReadonlyMap<string, string>, homes: ReadonlyMap<string, TensorFile>): void {
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
