import { type Slice, takeSlice } from '../delta/slices';
import { concatenated } from '../foundation/concatenated';
import type { Checkpoint } from '../model/checkpoint';
import { blocksOf } from '../model/given-weights';
import type { TunedInputs, TunedModule } from '../model/tuned-arithmetic';
import { inBlocks, type NewNumbers, partOf, type TunedPart } from './tuned-parts';

/** Tuned heads of one dense layer, as its graph takes them. */
export interface TunedHeads {
  /** Rows [P, h·dh, width/P], columns [h·dh, width]. */
  weights: Float32Array;
  /** [h·dh] */
  biases?: Float32Array;
  /** Heads, ascending. // [h] */
  places: Int32Array;
}

/** Tuned part of a module. */
interface Tuned {
  of: TunedModule;
  part: TunedPart;
  /** Number of heads of the modules before. */
  before: number;
}

/**
 * Prepares the tuned heads of a dense layer: rows as the delta has them, columns as differences
 * from the base's.
 *
 * @param slices tuned slices by canonical name
 * @param valuesOf values of a slice in the delta
 * @returns undefined for a layer without tuned heads
 */
export function servedHeads(
  checkpoint: Checkpoint,
  { modules, axis, width, biases }: TunedInputs,
  slices: ReadonlyMap<string, Slice>,
  valuesOf: (canonical: string) => Float32Array,
  numbers: NewNumbers,
): TunedHeads | undefined {
  const { headDim } = checkpoint.config;
  const tuned: Tuned[] = [];
  let before = 0;
  for (const of of modules) {
    const slice = slices.get(`${of.module}.weight`);
    const part = slice && partOf(slice, { axis, features: of.features });
    if (part) tuned.push({ of, part, before });
    before += of.heads;
  }
  if (tuned.length === 0) return undefined;
  const weightsOf = ({ of: { module }, part: { from, to } }: Tuned) =>
    valuesOf(`${module}.weight`).subarray(from * width, to * width);
  const places = Int32Array.from(tuned.flatMap(({ part, before }) => headsOwning(part.places, headDim, before)));
  if (axis === 'columns') {
    const [columns] = tuned;
    return { weights: differences(checkpoint, columns, weightsOf(columns), numbers), places };
  }
  const r = places.length * headDim;
  const rows = { weights: inBlocks(tuned.map(weightsOf), r, blocksOf(width), numbers), places };
  if (biases === undefined) return rows;
  const biasesOf = ({ of: { module, features }, part: { from, to, places } }: Tuned) => {
    const name = `${module}.bias`;
    if (slices.has(name)) return valuesOf(name).subarray(from, to);
    const whole = checkpoint.tensor(name);
    return Float32Array.from(places, (place) => whole[features[0] + place]);
  };
  return { ...rows, biases: Float32Array.from(concatenated(tuned.map(biasesOf))) };
}

/** Heads that own these features, after those of other modules. */
const headsOwning = (features: Int32Array, headDim: number, before: number): number[] =>
  Array.from(
    features.filter((_, i) => i % headDim === 0),
    (feature) => before + feature / headDim,
  );

/** Tuned columns minus the base's. // [r, width] */
function differences(
  checkpoint: Checkpoint,
  { of: { module }, part: { places } }: Tuned,
  tuned: Float32Array,
  numbers: NewNumbers,
): Float32Array {
  const whole = checkpoint.tensor(`${module}.weight`);
  const rows = tuned.length / places.length;
  const base = takeSlice(whole, [rows, whole.length / rows], { axis: 'columns', indices: places });
  const found = numbers(tuned.length);
  for (const [i, value] of tuned.entries()) found[i] = value - base[i];
  return found;
}
