import type { Shard } from './request';

/** Rows of the drawn sample that are planned together; a shard is whole blocks (METHOD §1). */
export const BLOCK_ROWS = 64;

/** Bounds of a batch: rows, and rows × padded tokens. */
const MAX_ROWS = 16;
const MAX_TOKENS = 2048;

/**
 * The fixed batches of a sample, or of a shard of it: the drawn order is cut into blocks of 64, each block sorted by length
 * (ties by position) and cut from the short end. A pure function of a block's lengths, so that a shard's batches are the
 * very ones of the whole run.
 *
 * @param lengths tokens of each drawn sequence, in the order drawn.
 * @returns batches of positions in that order, shortest first within a block.
 */
export function planBatches(lengths: ArrayLike<number>, shard: Shard = { index: 0, count: 1 }): number[][] {
  const blocks = Math.ceil(lengths.length / BLOCK_ROWS);
  const first = Math.floor((blocks * shard.index) / shard.count);
  const end = Math.floor((blocks * (shard.index + 1)) / shard.count);
  const batches: number[][] = [];
  for (let block = first; block < end; block++) {
    const start = block * BLOCK_ROWS;
    const rows = Math.min(BLOCK_ROWS, lengths.length - start);
    const byLength = Array.from({ length: rows }, (_, i) => start + i).sort((a, b) => lengths[a] - lengths[b] || a - b);
    batches.push(...cut(byLength, lengths));
  }
  return batches;
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
