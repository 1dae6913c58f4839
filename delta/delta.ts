import * as fs from 'node:fs';
import * as path from 'node:path';
import { nearestSibling } from '../data/nearest';
import { diverged, invalidInput } from '../foundation/errors';
import { firstNotFinite } from '../foundation/finite';
import { regularFileText } from '../foundation/regular-file';
import { publishFolder } from '../foundation/whole-folder';
import type { Checkpoint } from '../model/checkpoint';
import { roundTo } from '../model/rounding';
import { SafetensorsFile, safetensorsBytes, writeSafetensors } from '../model/safetensors';
import { type DeltaInfo, formatDeltaInfo, outputsOf, parseDeltaInfo, taskHeadKindOf, withParts } from './delta-info';
import { countNumbers, putSlice, type Slice, storedShape, taskHeadTensors, tunedSlices } from './slices';

export const DELTA_TENSORS = 'delta.safetensors';
export const DELTA_INFO = 'delta.json';

/** Trained values of one tensor: its tuned slice, or a whole tensor of the task head. */
export interface DeltaTensor {
  /** Shape: [rows, columns] of a matrix (tuned columns are transposed), [rows] of a bias. */
  shape: number[];
  /** Finite values, row by row. */
  values: Float32Array;
}

/** Result of a training: values, not differences, which replace the base's. */
export interface Delta {
  /** Content of delta.json. */
  info: DeltaInfo;
  /** Tensors by their name in the base's file. */
  tensors: Map<string, DeltaTensor>;
}

/** Description of one tensor of a delta. */
export interface DeltaPart {
  /**
   * Name in delta.safetensors: that of the base's file, or the canonical one if the base has no
   * such tensor.
   */
  name: string;
  canonical: string;
  shape: number[];
  /** Tuned slice of the base's tensor; absent for the task head, which is stored whole. */
  slice?: Slice;
}

/**
 * Lists all tensors of a delta for this base, mask, further parts and number of classes.
 *
 * @throws INVALID_INPUT if the mask or a part does not fit the model
 */
export function deltaParts(
  checkpoint: Checkpoint,
  info: Pick<DeltaInfo, 'mask' | 'parts' | 'id2label' | 'problemType'>,
): DeltaPart[] {
  const { config } = checkpoint;
  const name = (canonical: string) => checkpoint.storedName(canonical) ?? canonical;
  return [
    ...tunedSlices(config, info.mask, info.parts).map(({ canonical, shape }, i, slices) => ({
      name: name(canonical),
      canonical,
      shape,
      slice: slices[i],
    })),
    ...taskHeadTensors(config, outputsOf(info), taskHeadKindOf(info)).map(({ canonical, shape }) => ({
      name: name(canonical),
      canonical,
      shape,
    })),
  ];
}

/**
 * Creates a delta from trained values.
 *
 * @param values returns the values of a part of {@link deltaParts}, in its shape
 */
export function makeDelta(checkpoint: Checkpoint, info: DeltaInfo, values: (part: DeltaPart) => Float32Array): Delta {
  const parts = deltaParts(checkpoint, info);
  return { info, tensors: new Map(parts.map((part) => [part.name, { shape: part.shape, values: values(part) }])) };
}

/**
 * Writes `delta.safetensors` and `delta.json`. The same delta always gives the same bytes. The
 * folder appears whole or not at all and replaces an older delta.
 *
 * @throws INVALID_INPUT if the folder holds other files; FAILED if a value is not finite
 */
export function writeDelta(folder: string, delta: Delta): void {
  const names = [...delta.tensors.keys()].sort();
  for (const name of names) {
    const { values } = delta.tensors.get(name)!;
    const at = firstNotFinite(values);
    if (at >= 0)
      throw diverged(`${name} became ${values[at]} at ${at}: no delta was written; a lower learning rate may help`);
  }
  const fill = (beside: string) => {
    writeSafetensors(
      path.join(beside, DELTA_TENSORS),
      names.map((name) => {
        const { shape, values } = delta.tensors.get(name)!;
        return { name, dtype: 'F32' as const, shape, bytes: () => roundTo('F32', values) };
      }),
    );
    fs.writeFileSync(path.join(beside, DELTA_INFO), formatDeltaInfo(delta.info));
  };
  publishFolder(folder, fill, { parts: [DELTA_TENSORS, DELTA_INFO] });
}

/**
 * Size in bytes of the two files that {@link writeDelta} writes for this base, which does not
 * depend on the values.
 */
export function deltaBytes(checkpoint: Checkpoint, info: DeltaInfo): number {
  const tensors = deltaParts(checkpoint, info).map(({ name, shape }) => ({ name, dtype: 'F32', shape }));
  return safetensorsBytes(tensors) + Buffer.byteLength(formatDeltaInfo(info));
}

/**
 * Reads a delta and checks that every value is finite.
 *
 * @param against base to which the delta must belong, and with whose mask its tensors must match
 * @param memory gives the memory of the tensors' numbers, of this many bytes at least. Default: new
 * @throws INVALID_INPUT with the file and its fault
 */
export function readDelta(
  folder: string,
  against?: Checkpoint,
  memory = (bytes: number) => new ArrayBuffer(bytes),
): Delta {
  const infoFile = path.join(folder, DELTA_INFO);
  const tensorsFile = path.join(folder, DELTA_TENSORS);
  if (!fs.existsSync(folder)) throw invalidInput(`${folder}: no such folder${nearestSibling(folder, 'folders')}`);
  for (const file of [infoFile, tensorsFile]) {
    if (!fs.existsSync(file)) throw invalidInput(`${folder} is not a delta: it lacks ${path.basename(file)}`);
  }
  const parsed = parseDeltaInfo(regularFileText(infoFile), infoFile);
  if (against) checkBase(parsed, against, folder);
  const info = against ? withParts(parsed, against.config) : parsed;
  const file = SafetensorsFile.open(tensorsFile);
  try {
    const tensors = new Map<string, DeltaTensor>();
    const buffer = memory(file.size);
    let at = 0;
    for (const [name, { dtype, shape, begin, end }] of file.tensors) {
      if (dtype !== 'F32') throw invalidInput(`${tensorsFile}: ${name} is ${dtype}; a delta's tensors are F32`);
      const bytes = new Uint8Array(buffer, at, end - begin);
      at += bytes.length;
      file.read(name, bytes);
      const values = new Float32Array(buffer, bytes.byteOffset, bytes.length / 4);
      checkFinite(`${tensorsFile}: ${name}`, values);
      tensors.set(name, { shape: [...shape], values });
    }
    const delta = { info, tensors };
    if (against) checkTensors(delta, against, tensorsFile);
    return delta;
  } finally {
    file.close();
  }
}

/**
 * Merges a delta into the base's tensors that it changes: F32, by canonical name. Each tensor is
 * read and merged when it is requested, so that only one needs to be in memory.
 *
 * @throws INVALID_INPUT if the delta does not fit the base
 */
export function applyDelta(checkpoint: Checkpoint, delta: Delta): ReadonlyMap<string, () => Float32Array> {
  checkDelta(delta, checkpoint);
  return new Map(
    deltaParts(checkpoint, delta.info).map(({ name, canonical, slice }) => {
      const { values } = delta.tensors.get(name)!;
      if (!slice) return [canonical, () => values];
      const shape = storedShape(checkpoint, canonical);
      return [canonical, () => putSlice(checkpoint.tensor(canonical), shape, slice, values)];
    }),
  );
}

/**
 * Checks a delta.
 * @throws INVALID_INPUT if it belongs to another base, or its tensors differ from those of its mask
 */
function checkDelta(delta: Delta, checkpoint: Checkpoint): void {
  checkBase(delta.info, checkpoint, 'the delta');
  checkTensors(delta, checkpoint, 'the delta');
}

function checkBase({ base }: DeltaInfo, checkpoint: Checkpoint, what: string): void {
  if (base.sha256 === checkpoint.sha256) return;
  throw invalidInput(
    `${what} was trained on ${base.name} (sha256 ${base.sha256}), not on ${checkpoint.name} (sha256 ${checkpoint.sha256})`,
  );
}

function checkTensors({ info, tensors }: Delta, checkpoint: Checkpoint, what: string): void {
  const parts = deltaParts(checkpoint, info);
  for (const { name, shape } of parts) {
    const found = tensors.get(name);
    if (!found) throw invalidInput(`${what}: ${name} is missing; its mask requires it`);
    if (!sameShape(found.shape, shape)) {
      throw invalidInput(`${what}: ${name} has shape [${found.shape}]; its mask and base require [${shape}]`);
    }
    if (found.values.length !== countNumbers([found])) {
      throw invalidInput(`${what}: ${name} has ${found.values.length} numbers, which do not fit its shape [${shape}]`);
    }
  }
  const known = new Set(parts.map(({ name }) => name));
  const extra = [...tensors.keys()].find((name) => !known.has(name));
  if (extra !== undefined) throw invalidInput(`${what}: its mask does not tune ${extra}`);
}

function checkFinite(what: string, values: Float32Array): void {
  const at = firstNotFinite(values);
  if (at >= 0) throw invalidInput(`${what} holds ${values[at]} at index ${at}; a delta's numbers must be finite`);
}

const sameShape = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((n, i) => n === b[i]);
