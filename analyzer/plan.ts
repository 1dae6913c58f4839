import type { AnalysisOptions } from '../heads/analysis-options';
import type { Shard } from '../heads/analysis-request';

/**
 * Number of rows in a block of the drawn sample. A block is planned as a whole; a shard has whole
 * blocks (docs/method.md).
 */
export const BLOCK_ROWS = 64;

/** Limits of a batch: rows, and rows × padded tokens. */
const MAX_ROWS = 16;
const MAX_TOKENS = 2048;

/**
 * Number of blocks before `auto` first checks the stability. With fewer rows it would sometimes be
 * stable by chance.
 */
const LEAST_BLOCKS = 2;

/**
 * Sizes of the sample at which a measurement may end, ascending. All but the last are whole blocks.
 * A fixed number of samples has one size. With `auto` each size is a quarter larger than the one
 * before, up to `maxSamples` or the last row.
 *
 * @param rows number of rows to draw from
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

/** Maximum number of rows that an analysis draws. */
export const mostSamples = ({ samples, maxSamples }: Pick<AnalysisOptions, 'samples' | 'maxSamples'>) =>
  samples === 'auto' ? maxSamples : samples;

/**
 * Plans the batches of a sample, or of a shard of it. The drawn order is split into blocks of 64.
 * Each block is sorted by length (ties by position) and split into batches from the short end. A
 * block's batches depend on its lengths alone, so a shard has the same batches as the whole run.
 *
 * @param lengths number of tokens of each sequence, in the order drawn
 * @returns batches of positions in that order, shortest first within a block
 */
export function planBatches(lengths: ArrayLike<number>): number[][] {
  const batches: number[][] = [];
  for (let start = 0; start < lengths.length; start += BLOCK_ROWS) {
    const rows = Math.min(BLOCK_ROWS, lengths.length - start);
    const byLength = Array.from({ length: rows }, (_, i) => start + i).sort((a, b) => lengths[a] - lengths[b] || a - b);
    batches.push(...inBatches(byLength, lengths));
  }
  return batches;
}

/** Rows of a shard: whole blocks of a drawn sample, except at its end. */
export function shardRange(rows: number, { index, count }: Shard): { from: number; to: number } {
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  const start = (part: number) => Math.min(rows, Math.floor((blocks * part) / count) * BLOCK_ROWS);
  return { from: start(index), to: start(index + 1) };
}

function inBatches(rows: number[], lengths: ArrayLike<number>): number[][] {
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
