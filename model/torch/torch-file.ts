import * as fs from 'node:fs';
import { invalidInput } from '../../foundation/errors';
import { openRegularFile, otherContent, RECOGNISED_BYTES } from '../../foundation/regular-file';
import { readFully, type StoredTensor, TensorFile } from '../tensor-file';
import { STATE_DICT, type Storage, StorageView } from './storages';
import { PickleError, unpickle } from './unpickle';
import { ZipError, zipDirectory } from './zip-directory';

/** Maximum size of a pickle in bytes; a state dict has some 150 per tensor. */
const PICKLE_MOST = 16 << 20;
/**
 * First bytes of an archive as torch writes it since 1.6, and of the legacy format: its pickled
 * magic number.
 */
const ZIP = Buffer.from('504b0304', 'hex');
const LEGACY = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');

/**
 * State dict that torch.save wrote, such as pytorch_model.bin: a zip archive, or torch's format
 * before 1.6. A restricted reader builds tensors from its pickle and runs nothing (see
 * `unpickle.ts`). Numbers are read only on request.
 */
export class TorchFile extends TensorFile {
  /**
   * Opens a file and checks that every tensor is within it.
   * @throws HifiError INVALID_INPUT: missing, truncated or damaged; a pickle that names anything
   *   but tensors; a value that is not a tensor; a tensor past its storage's end
   */
  static open(file: string): TorchFile {
    const descriptor = openRegularFile(file);
    if (descriptor === undefined) throw invalidInput(`${file}: no such file`);
    try {
      const { size } = fs.fstatSync(descriptor);
      return new TorchFile(file, descriptor, tableOf(file, descriptor, size), size);
    } catch (error) {
      fs.closeSync(descriptor);
      if (!(error instanceof PickleError || error instanceof ZipError)) throw error;
      throw invalidInput(`${file}: ${error.message}; a state dict of tensors, saved by torch.save, is needed`, error);
    }
  }
}

function tableOf(file: string, descriptor: number, size: number): Map<string, StoredTensor> {
  const start = Buffer.alloc(Math.min(size, RECOGNISED_BYTES));
  readFully(file, descriptor, start, 0);
  if (start.subarray(0, ZIP.length).equals(ZIP)) return zippedTable(file, descriptor, size);
  if (start.subarray(0, LEGACY.length).equals(LEGACY)) return legacyTable(file, descriptor, size);
  const other = otherContent(start);
  if (other !== undefined) throw invalidInput(`${file}: ${other}`);
  throw invalidInput(`${file}: was not written by torch.save (it begins with ${shownBytes(start)})`);
}

/** Reads an archive: `NAME/data.pkl`, and each storage as `NAME/data/KEY`. */
function zippedTable(file: string, descriptor: number, size: number): Map<string, StoredTensor> {
  const entries = zipDirectory(file, descriptor, size);
  const pickleName = [...entries.keys()].find((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickleName === undefined) throw new ZipError('its zip archive has no data.pkl');
  const folder = pickleName.slice(0, -'data.pkl'.length);
  const contentOf = (name: string) => {
    const { begin, size: bytes } = entries.get(name) ?? { begin: 0, size: 0 };
    if (bytes > PICKLE_MOST) throw new PickleError(`its pickle has ${bytes} bytes; at most ${PICKLE_MOST} are read`);
    const content = Buffer.alloc(bytes);
    readFully(file, descriptor, content, begin);
    return content;
  };
  if (contentOf(`${folder}byteorder`).toString() === 'big') throw new PickleError('its numbers are big-endian');
  const { value } = unpickle(contentOf(pickleName), 0, STATE_DICT);
  return tensorsOf(file, value, (storage) => {
    const entry = entries.get(`${folder}data/${storage.key}`);
    if (entry?.size === storage.numbers * storage.bytes) return entry.begin;
    const found = entry === undefined ? 'is missing' : `has ${entry.size} bytes`;
    throw new ZipError(`the storage ${storage.key} ${found}; it must have ${storage.numbers * storage.bytes}`);
  });
}

/**
 * Reads the legacy format: five pickles (magic, version, system, state dict, keys), then each
 * storage after its length.
 */
function legacyTable(file: string, descriptor: number, size: number): Map<string, StoredTensor> {
  const start = Buffer.alloc(Math.min(size, PICKLE_MOST));
  readFully(file, descriptor, start, 0);
  const version = unpickle(start, LEGACY.length, STATE_DICT);
  const system = unpickle(start, version.end, STATE_DICT);
  if (system.value instanceof Map && system.value.get('little_endian') === false) {
    throw new PickleError('its numbers are big-endian');
  }
  const seen = new Map<string, Storage>();
  const dict = unpickle(start, system.end, {
    global: STATE_DICT.global,
    persistent(id) {
      const storage = STATE_DICT.persistent(id) as Storage;
      const { dtype, numbers } = seen.get(storage.key) ?? storage;
      if (dtype !== storage.dtype || numbers !== storage.numbers) {
        throw new PickleError(`its pickle gives the storage ${storage.key} two types or sizes`);
      }
      seen.set(storage.key, storage);
      return storage;
    },
  });
  const { value: keys, end } = unpickle(start, dict.end, STATE_DICT);
  if (!Array.isArray(keys)) throw new PickleError('its pickle has no list of storages');
  const places = new Map<string, number>();
  let at = end;
  for (const key of keys) {
    const storage = seen.get(key);
    if (storage === undefined) throw new PickleError('its list of storages has one that no tensor uses');
    const length = Buffer.alloc(8);
    if (at + length.length > size) throw new PickleError('its storages end too early; it is truncated');
    readFully(file, descriptor, length, at);
    const bytes = storage.numbers * storage.bytes;
    if (length.readBigInt64LE() !== BigInt(storage.numbers) || at + length.length + bytes > size) {
      throw new PickleError('its storages do not have the lengths in the pickle; it is truncated');
    }
    places.set(storage.key, at + length.length);
    at += length.length + bytes;
  }
  return tensorsOf(file, dict.value, ({ key }) => {
    const begin = places.get(key);
    if (begin === undefined) throw new PickleError('it lacks a storage; it is truncated');
    return begin;
  });
}

/**
 * Tensors of a state dict, with their places.
 * @param placeOf returns the first byte of a storage
 */
function tensorsOf(file: string, dict: unknown, placeOf: (storage: Storage) => number): Map<string, StoredTensor> {
  if (!(dict instanceof Map)) throw new PickleError('it holds no dictionary of tensors');
  const tensors = new Map<string, StoredTensor>();
  for (const [name, view] of dict) {
    if (typeof name !== 'string' || !(view instanceof StorageView)) {
      throw invalidInput(`${file}: its entry ${shownName(name)} is no tensor; save model.state_dict() alone`);
    }
    tensors.set(name, placed(view, placeOf(view.storage)));
  }
  if (tensors.size === 0) throw new PickleError('it holds no tensor');
  return tensors;
}

const shownName = (name: unknown) => (typeof name === 'string' ? JSON.stringify(name.slice(0, 80)) : 'without a name');

function placed({ storage, offset, shape, strides }: StorageView, storageBegin: number): StoredTensor {
  const begin = storageBegin + offset * storage.bytes;
  const total = shape.reduce((product, axis) => product * axis, 1);
  const span = total === 0 ? 0 : 1 + shape.reduce((sum, axis, i) => sum + (axis - 1) * strides[i], 0);
  const inRows = shape.every((axis, i) => axis === 1 || total === 0 || strides[i] === stepOf(shape, i));
  return {
    dtype: storage.dtype,
    shape,
    begin,
    end: begin + span * storage.bytes,
    ...(!inRows && { strides }),
  };
}

/** Strides of a row-major tensor, in numbers. */
const stepOf = (shape: readonly number[], axis: number) =>
  shape.slice(axis + 1).reduce((product, size) => product * size, 1);

const shownBytes = (bytes: Buffer) => (bytes.length === 0 ? 'nothing' : `0x${bytes.subarray(0, 8).toString('hex')}`);
