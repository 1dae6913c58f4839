import * as fc from 'fast-check';
import { BLOCK_ROWS, planBatches, shardRange } from '../../analyzer/plan';

const lengths = fc.array(fc.integer({ min: 1, max: 512 }), { minLength: 1, maxLength: 400 });

describe('planBatches', () => {
  it('has each sequence once, at most 16 rows and 2,048 padded tokens per batch, and each block by length', () => {
    fc.assert(
      fc.property(lengths, (sizes) => {
        const batches = planBatches(sizes);
        expect(batches.flat().sort((a, b) => a - b)).toEqual(sizes.map((_, i) => i));
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(16);
          const longest = sizes[batch[batch.length - 1]];
          expect(longest).toBe(Math.max(...batch.map((row) => sizes[row])));
          if (batch.length > 1) expect(batch.length * longest).toBeLessThanOrEqual(2048);
          expect(new Set(batch.map((row) => Math.floor(row / BLOCK_ROWS))).size).toBe(1);
        }
      }),
    );
  });

  it('gives shards whole blocks, with the batches of the whole sample', () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 9 }), (sizes, count) => {
        const parts = Array.from({ length: count }, (_, index) => {
          const { from, to } = shardRange(sizes.length, { index, count });
          return planBatches(sizes.slice(from, to)).map((batch) => batch.map((row) => from + row));
        });
        expect(parts.flat()).toEqual(planBatches(sizes));
      }),
    );
  });

  it('plans the batches of a block independently of other blocks', () => {
    const short = new Array<number>(BLOCK_ROWS).fill(7);
    const alone = planBatches(short);
    expect(planBatches([...short, ...short.map(() => 500)]).slice(0, alone.length)).toEqual(alone);
  });

  it('keeps the order drawn among sequences of equal length', () => {
    expect(planBatches([5, 3, 5, 3])).toEqual([[1, 3, 0, 2]]);
  });
});
