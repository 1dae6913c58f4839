import { type Slice, takeSlice } from '../delta/slices';
import { concatenated } from '../foundation/concatenated';
import { transposed } from '../model/arithmetic';
import type { Checkpoint } from '../model/checkpoint';
import type { NeuronInputs } from '../model/tuned-neurons';

/**
 * Tuned neurons of one layer, as its graph takes them: first as the delta has them, then as the
 * base has them, with columns of the opposite sign.
 */
export interface ServedNeurons {
  /** Number of rows and columns, r: twice that of the neurons. */
  count: number;
  /** Rows of each matrix: weights [width, r], biases [r]. */
  rows: { weights: Float32Array; biases?: Float32Array }[];
  /** [r, width] */
  columns: Float32Array;
}

/**
 * Prepares the tuned neurons of a layer.
 *
 * @param slices tuned slices by canonical name
 * @param valuesOf values of a slice in the delta
 * @returns undefined if more than rows and columns of some neurons are tuned
 */
export function servedNeurons(
  checkpoint: Checkpoint,
  { rows, columns }: NeuronInputs,
  slices: ReadonlyMap<string, Slice>,
  valuesOf: (canonical: string) => Float32Array,
): ServedNeurons | undefined {
  const name = `${columns.module}.weight`;
  const slice = slices.get(name)!;
  const { indices: neurons } = slice;
  if (slice.axis !== 'columns') return undefined;
  const owned = rows.map(({ module, features: [first, end] }) => {
    const all = slices.get(`${module}.weight`)?.indices ?? new Int32Array(0);
    const from = all.findIndex((index) => index >= first);
    const within = all.filter((index) => index >= first && index < end);
    return { from, indices: within, isSame: String(within.map((index) => index - first)) === String(neurons) };
  });
  if (owned.some(({ isSame }) => !isSame)) return undefined;

  const count = neurons.length;
  /** Rows of the delta, then of the base. */
  const both = (canonical: string, { from, indices }: (typeof owned)[number], width: number) => {
    const whole = checkpoint.tensor(canonical);
    const base = takeSlice(whole, [whole.length / width, width], { axis: 'rows', indices });
    return concatenated([valuesOf(canonical).subarray(from * width, (from + count) * width), base]);
  };
  const whole = checkpoint.tensor(name);
  const base = takeSlice(whole, [columns.width, whole.length / columns.width], slice);
  return {
    count: 2 * count,
    rows: rows.map(({ module, width, biases }, i) => ({
      weights: transposed(both(`${module}.weight`, owned[i], width), 2 * count, width),
      ...(biases !== undefined && { biases: both(`${module}.bias`, owned[i], 1) }),
    })),
    columns: concatenated([valuesOf(name), base.map((value) => -value)]),
  };
}
