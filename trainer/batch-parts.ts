/** Inputs of the graph with one row per token. // [B·S, width] each */
export type RowInput = 'words' | 'numbers' | 'hidden';

/** Batch as the network reads it: tokens, or the hidden states of the frozen layers. */
export interface RowBatch {
  rows: Partial<Record<RowInput, Float32Array>>;
  mask: Float32Array; // [B, 1, 1, S]
  B: number;
  S: number;
}

/** Batch with the targets of its rows, if any. */
export interface LabelledBatch extends RowBatch {
  targets?: Float32Array; // [B, C], or [B·S, C] of tokens, or [B/2, 1] of pairs
}

/**
 * Largest number of tokens of a part, with padding, unless one unit is longer. It bounds the memory
 * for any batch size.
 */
const PART_TOKENS = 512;
/** The number of parts is a multiple of this, so that as many cores share a small batch. */
const PARTS_MULTIPLE = 2;

/**
 * Splits a batch into parts of whole units, as equal as possible. The split is a function of the
 * batch's shape alone, since the gradient's bits depend on it.
 *
 * @param unit consecutive rows that stay together, because they have a loss together
 */
export function partsOf(batch: LabelledBatch, unit = 1): LabelledBatch[] {
  const units = batch.B / unit;
  const least = units / Math.max(1, Math.floor(PART_TOKENS / (batch.S * unit)));
  return splitAt(batch, Math.min(units, Math.ceil(least / PARTS_MULTIPLE) * PARTS_MULTIPLE), unit);
}

/** Splits a batch into a number of parts of whole units. */
export function splitAt({ rows, mask, targets, B, S }: LabelledBatch, count: number, unit = 1): LabelledBatch[] {
  const units = B / unit;
  return Array.from({ length: count }, (_, i) => {
    const [first, end] = [i, i + 1].map((each) => unit * Math.floor((each * units) / count));
    const part = (values: Float32Array) => values.subarray((values.length / B) * first, (values.length / B) * end);
    const named = Object.entries(rows).map(([name, values]) => [name, part(values)]);
    const own = { rows: Object.fromEntries(named), mask: part(mask), B: end - first, S };
    return targets ? { ...own, targets: part(targets) } : own;
  });
}
