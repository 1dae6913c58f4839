import type { AnalysisOptions } from '../heads/analysis-options';
import type { Shard } from '../heads/analysis-request';

/** Rows of the drawn sample that are planned together; a shard is whole blocks (docs/method.md). */
export const BLOCK_ROWS = 64;

/** Bounds of a batch: rows, and rows × padded tokens. */
const MAX_ROWS = 16;
const MAX_TOKENS = 2048;

/** The first size at which `auto` looks whether the ranking holds: at fewer rows it would now and then by chance. */
const LEAST_BLOCKS = 2;

/**
 * The sizes of the sample at which a measurement may end, ascending; all of them whole blocks but the last. One for a fixed
 * number of samples; for `auto` each a quarter more than the one before, until `maxSamples` or the rows end.
 *
 * @param rows that there are to draw.
 */
export function sampleSizes(
  { samples, maxSamples }: Pick<AnalysisOptions, 'samples' | 'maxSamples'>,
  rows: number,
): number[] {
  const most = Math.min(rows, mostSamples({ samples, maxSamples }));
  const sizes: number[] = [];
  if (samples === 'auto') {
    for (let blocks = LEAST_BLOCKS; blocks * BLOCK_ROWS < most; blocks += Math.max(1, Math.floor(blocks / 4))) {
      sizes.push(blocks * BLOCK_ROWS);
    }
  }
  return [...sizes, most];
}

/** The most rows that an analysis draws. */
export const mostSamples = ({ samples, maxSamples }: Pick<AnalysisOptions, 'samples' | 'maxSamples'>) =>
  samples === 'auto' ? maxSamples : samples;

/**
 * The fixed batches of a sample, or of a shard of it: the drawn order is cut into blocks of 64, each block sorted by length
 * (ties by position) and cut from the short end. A pure function of a block's lengths, so that a shard's batches are the
 * very ones of the whole run.
 *
 * @param lengths tokens of each drawn sequence, in the order drawn.
 * @returns batches of positions in that order, shortest first within a block.
 */
export function planBatches(lengths: ArrayLike<number>, shard: Shard = { index: 0, count: 1 }): number[][] {
  const { from, to } = shardRange(lengths.length, shard);
  const batches: number[][] = [];
  for (let start = from; start < to; start += BLOCK_ROWS) {
    const rows = Math.min(BLOCK_ROWS, lengths.length - start);
    const byLength = Array.from({ length: rows }, (_, i) => start + i).sort((a, b) => lengths[a] - lengths[b] || a - b);
    batches.push(...cut(byLength, lengths));
  }
  return batches;
}

/** How many rows of a drawn sample are a shard's. */
export function shardRows(rows: number, shard: Shard): number {
  const { from, to } = shardRange(rows, shard);
  return to - from;
}

/** A shard's rows: whole blocks of the drawn sample, but for its end. */
function shardRange(rows: number, { index, count }: Shard): { from: number; to: number } {
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  const start = (part: number) => Math.min(rows, Math.floor((blocks * part) / count) * BLOCK_ROWS);
  return { from: start(index), to: start(index + 1) };
}

function cut(rows: number[], lengths: ArrayLike<number>): number[][] {
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const row of rows) {
    if (batch.length === MAX_ROWS || (batch.length + 1) * lengths[row] > MAX_TOKENS) {
      if (batch.length > 0) batches.push(batch);
      batch = [];
    }
    batch.push(row);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
