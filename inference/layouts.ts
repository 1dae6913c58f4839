import type { ServedDelta } from './served-delta';

/** Delta of some rows; `undefined` stands for all that do not differ from the base yet. */
export type Of = ServedDelta | undefined;

/** Rows of the tokens' state in a layer: as many sequences for each delta. */
export interface Layout {
  /** Deltas of the layer's result, in order. */
  of: readonly Of[];
  /** Number of deltas that the rows it reads are of: 1 if they share them. */
  states: number;
  /** Rows of the state before the layer that it reads. */
  from: BigInt64Array;
  /** Sequence of the batch of each row of its result. */
  sequences: BigInt64Array;
  /** Row that each row of its result continues, among those that it reads. */
  own: BigInt64Array;
}

/**
 * Rows of each layer and of the task heads, if every delta reads all sequences. Deltas share the
 * layers below their lowest tuned one, and what the base computes in that layer.
 *
 * @param B number of sequences
 * @param L number of layers
 * @param apart first layer that must read rows of each delta, at most L
 */
export function layoutsTogether(deltas: readonly ServedDelta[], B: number, L: number, apart: number): Layout[] {
  let before: readonly Of[] = [undefined];
  return Array.from({ length: L + 1 }, (_, layer) => {
    const of = layer < L ? startingAt(before, deltas, layer) : deltas;
    const shared = before.length === 1 && layer < apart;
    const read = shared ? before : of.map((each) => (before.includes(each) ? each : undefined));
    const from = rows(
      read.map((each) => before.indexOf(each)),
      B,
    );
    before = of;
    const sequences = rows(Array(of.length).fill(0), B);
    const own = shared ? sequences : rows([...of.keys()], B);
    return { of, states: read.length, from, sequences, own };
  });
}

/**
 * Rows of each layer and of the task heads, if each delta reads a sequence of its own. They part at
 * the lowest tuned layer of all.
 *
 * @param L number of layers
 */
export function layoutsApart(deltas: readonly ServedDelta[], L: number): Layout[] {
  const lowest = Math.min(...deltas.map((delta) => delta.lowest));
  const all = rows([0], deltas.length);
  return Array.from({ length: L + 1 }, (_, layer) => {
    const of = layer < lowest ? [undefined] : deltas;
    return { of, states: of.length, from: all, sequences: all, own: all };
  });
}

/** Deltas after a layer: those before it, and those that start to differ in it. */
function startingAt(before: readonly Of[], deltas: readonly ServedDelta[], layer: number): readonly Of[] {
  const starting = deltas.filter(({ lowest }) => lowest === layer);
  const isShared = deltas.some(({ lowest }) => lowest > layer);
  return [...before.filter((each) => each !== undefined), ...starting, ...(isShared ? [undefined] : [])];
}

/** Rows of some deltas by their places, B for each. */
const rows = (places: readonly number[], B: number) =>
  BigInt64Array.from({ length: places.length * B }, (_, i) => BigInt(places[Math.floor(i / B)] * B + (i % B)));
