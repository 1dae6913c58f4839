import { invalidInput, shown } from '../foundation/errors';
import { isJsonObject } from '../foundation/json-file';
import type { StoredTensor } from './tensor-file';

/** Number of bits of each type of the format. */
export const DTYPE_BITS: Readonly<Record<string, number>> = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  F64: 64,
  I64: 64,
  U64: 64,
  C64: 64,
};

/** Most tensors in a file: parsing their descriptions takes more than a tenth of a second. */
const MOST_TENSORS = 100_000;

/** Content of a header. */
export interface Header {
  /** Tensors in the order of the header. */
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

/**
 * Reads a header and checks that its tensors fill the file: from the header's end to the file's,
 * one after the other, without a hole or overlap.
 * @param bytes the file's first bytes: 8 for the length, then the header
 * @param fileSize size of the whole file in bytes
 * @throws HifiError INVALID_INPUT, one line with file and tensor
 */
export function parseHeader(file: string, bytes: Uint8Array, fileSize: number): Header {
  const json = parseObject(file, bytes.subarray(8));
  const header: Header = { tensors: new Map(), metadata: {} };
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') header.metadata = metadataOf(file, value);
    else header.tensors.set(name, tensorOf(file, name, value, bytes.length, fileSize));
  }
  refuseHolesAndOverlaps(file, header.tensors, bytes.length, fileSize);
  return header;
}

function parseObject(file: string, bytes: Uint8Array): Record<string, unknown> {
  const counted = countParts(bytes);
  // Besides the tensors there are the header itself and perhaps its metadata.
  if (counted.objects > MOST_TENSORS + 2) {
    throw invalidInput(`${file}: header describes ${counted.objects - 1} tensors; at most ${MOST_TENSORS} are read`);
  }
  let json: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (cause) {
    const why = (cause as Error).message.replace(/\s+/g, ' ').slice(0, 120);
    throw invalidInput(`${file}: header is not JSON (${why}); is this a safetensors file?`, cause);
  }
  if (!isJsonObject(json)) throw invalidInput(`${file}: header is no JSON object; is this a safetensors file?`);
  const keys = Object.values(json).reduce<number>(
    (sum, value) => sum + (isJsonObject(value) ? Object.keys(value).length : 0),
    Object.keys(json).length,
  );
  // The counts are equal, so no key occurs twice.
  const twice = keys === counted.keys ? undefined : firstRepeatedKey(text);
  if (twice !== undefined) throw invalidInput(`${file}: header names "${twice}" twice; names must be unique`);
  return json;
}

/**
 * Counts the objects of a JSON text, and the keys at its top and one level down. The text need not
 * be valid; nothing of it is stored.
 */
function countParts(bytes: Uint8Array): { objects: number; keys: number } {
  let objects = 0;
  let keys = 0;
  let depth = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      for (i++; i < bytes.length && bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++;
    } else if (byte === OPEN || byte === OPEN_LIST) {
      depth++;
      if (byte === OPEN) objects++;
    } else if (byte === CLOSE || byte === CLOSE_LIST) depth--;
    else if (byte === COLON && depth <= 2) keys++;
  }
  return { objects, keys };
}

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, COLON] = Buffer.from('"\\{}[]:');

/** Metadata of a header. Null means none, as in Python's safetensors. */
function metadataOf(file: string, value: unknown): Record<string, string> {
  if (value === null) return {};
  if (isJsonObject(value) && Object.values(value).every((entry) => typeof entry === 'string')) {
    return value as Record<string, string>;
  }
  throw invalidInput(`${file}: __metadata__ is ${shown(value)}; it must map names to strings`);
}

function tensorOf(file: string, name: string, value: unknown, dataStart: number, fileSize: number): StoredTensor {
  const refuse = (field: string, found: unknown, right: string) =>
    invalidInput(`${file}: tensor "${name}": ${field} is ${shown(found)}; it must be ${right}`);
  if (!isJsonObject(value)) throw refuse('entry', value, 'an object with dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = typeof dtype === 'string' && Object.hasOwn(DTYPE_BITS, dtype) ? DTYPE_BITS[dtype] : undefined;
  if (bits === undefined) throw refuse('dtype', dtype, `one of ${Object.keys(DTYPE_BITS).join(', ')}`);
  if (!isSizes(shape)) throw refuse('shape', shape, 'an array of integers from 0');
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw refuse('data_offsets', offsets, 'two integers, begin and end, in ascending order');
  }
  const dataSize = fileSize - dataStart;
  if (offsets[1] > dataSize) {
    throw refuse('data_offsets', offsets, `within the ${dataSize} bytes of data that the file has (is it truncated?)`);
  }
  const expected = byteSize(shape, bits);
  if (offsets[1] - offsets[0] !== expected) {
    const right = `${expected ?? 'whole'} bytes long, as shape ${shown(shape)} and dtype ${dtype} require`;
    throw refuse('data_offsets', offsets, right);
  }
  return { dtype: dtype as string, shape, begin: dataStart + offsets[0], end: dataStart + offsets[1] };
}

/** Size of a tensor in bytes; undefined if it is no whole number or above 2^53. */
function byteSize(shape: number[], bits: number): number | undefined {
  if (shape.includes(0)) return 0;
  const total = shape.reduce((product, axis) => product * axis, bits);
  return Number.isSafeInteger(total) && total % 8 === 0 ? total / 8 : undefined;
}

function refuseHolesAndOverlaps(
  file: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  start: number,
  fileSize: number,
): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = start;
  let previous = 'the header';
  for (const [name, { begin, end }] of inOrder) {
    const offset = begin - start;
    if (begin < at) {
      throw invalidInput(
        `${file}: tensor "${name}" begins at ${offset}, before ${previous} ends (${at - start}); they overlap`,
      );
    }
    if (begin > at) {
      throw invalidInput(`${file}: ${begin - at} bytes between ${previous} and tensor "${name}" belong to no tensor`);
    }
    at = end;
    previous = `tensor "${name}"`;
  }
  if (at !== fileSize) throw invalidInput(`${file}: ${fileSize - at} bytes after ${previous} belong to no tensor`);
}

/** First key that an object has twice, at the top or one level down. `text` is valid JSON. */
function firstRepeatedKey(text: string): string | undefined {
  const open: Array<Set<string> | undefined> = [];
  let key: string | undefined;
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/gs)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ':') key = token;
    else {
      const keys = open[open.length - 1]!;
      const name: string = key!.includes('\\') ? JSON.parse(key!) : key!.slice(1, -1);
      if (keys.has(name)) return name;
      keys.add(name);
    }
  }
  return undefined;
}

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
