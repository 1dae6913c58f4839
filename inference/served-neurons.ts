import { type Slice, takeSlice } from '../delta/slices';
import { concatenated } from '../foundation/concatenated';
import type { Checkpoint } from '../model/checkpoint';
import { blocksOf } from '../model/given-weights';
import type { NeuronInputs } from '../model/tuned-neurons';
import { inBlocks, type NewNumbers, partOf } from './tuned-parts';

/**
 * Tuned neurons of one layer, as its graph takes them: first as the delta has them, then as the
 * base has them, with columns of the opposite sign.
 */
export interface ServedNeurons {
  /** Number of rows and columns, r: twice that of the neurons. */
  count: number;
  /** Rows of each matrix: weights [P, r, width/P], biases [r]. */
  rows: { weights: Float32Array; biases?: Float32Array }[];
  /** [r, width] */
  columns: Float32Array;
}

/**
 * Prepares the tuned neurons of a layer.
 *
 * @param slices tuned slices by canonical name
 * @param valuesOf values of a slice in the delta
 * @returns undefined for a layer without tuned neurons
 */
export function servedNeurons(
  checkpoint: Checkpoint,
  { rows, columns }: NeuronInputs,
  slices: ReadonlyMap<string, Slice>,
  valuesOf: (canonical: string) => Float32Array,
  numbers: NewNumbers,
): ServedNeurons | undefined {
  const name = `${columns.module}.weight`;
  const slice = slices.get(name);
  if (!slice) return undefined;
  const r = 2 * slice.indices.length;
  const tuned = valuesOf(name);
  const base = takeSlice(checkpoint.tensor(name), [columns.width, checkpoint.config.intermediateSize], slice);
  const all = numbers(r * columns.width);
  all.set(tuned);
  for (const [i, value] of base.entries()) all[tuned.length + i] = -value;
  return {
    count: r,
    rows: rows.map(({ module, features, width, biases }) => {
      const both = (part: 'weight' | 'bias', across: number) => {
        const canonical = `${module}.${part}`;
        const ofModule = slices.get(canonical)!;
        const { from, to } = partOf(ofModule, { axis: 'rows', features })!;
        const whole = checkpoint.tensor(canonical);
        const indices = ofModule.indices.subarray(from, to);
        const own = takeSlice(whole, [whole.length / across, across], { axis: 'rows', indices });
        return [valuesOf(canonical).subarray(from * across, to * across), own];
      };
      const weights = inBlocks(both('weight', width), r, blocksOf(width), numbers);
      return biases === undefined ? { weights } : { weights, biases: concatenated(both('bias', 1)) };
    }),
    columns: all,
  };
}
