import fc from 'fast-check';
import {
  encodeRows,
  evaluationBatches,
  lengthsOf,
  likeLengthBatches,
  padBatch,
  type TokenIds,
} from '../../data/batches';
import type { Dataset } from '../../data/dataset';

const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 300 });
const batchSize = fc.integer({ min: 1, max: 40 });
const ascending = (n: number) => Array.from({ length: n }, (_, i) => i);
const flat = (batches: Int32Array[]) => batches.flatMap((batch) => [...batch]);

describe('likeLengthBatches', () => {
  it('has every row exactly once, in ⌈rows / size⌉ batches, all but one of them full', () => {
    fc.assert(
      fc.property(lengths, batchSize, fc.nat(), fc.nat(50), (rows, size, seed, epoch) => {
        const options = { batchSize: size, seed, epoch };
        const batches = likeLengthBatches(rows, options);
        expect(flat(batches).sort((a, b) => a - b)).toEqual(ascending(rows.length));
        expect(batches.length).toBe(Math.ceil(rows.length / size));
        expect(batches.filter((batch) => batch.length < size).length).toBeLessThanOrEqual(1);
        expect(likeLengthBatches(rows, options)).toEqual(batches);
      }),
    );
  });

  it('composes other batches in each epoch and with each seed, also of rows of one length', () => {
    const companions = (seed: number, epoch: number, rows: number[]) =>
      likeLengthBatches(rows, { batchSize: 4, seed, epoch }).find((batch) => batch.includes(0));
    const same = new Array(100).fill(7);
    const mixed = ascending(100).map((i) => 1 + (i % 5));
    for (const rows of [same, mixed]) {
      const found = [companions(0, 0, rows), companions(0, 1, rows), companions(0, 2, rows), companions(1, 0, rows)];
      expect(new Set(found.map((batch) => [...batch!].sort().join())).size).toBe(4);
    }
  });

  it('does not order the batches by length', () => {
    const rows = ascending(1000);
    const firsts = likeLengthBatches(rows, { batchSize: 10, seed: 0, epoch: 0 }).map((batch) => batch[0]);
    expect(firsts).not.toEqual([...firsts].sort((a, b) => a - b));
  });

  it('adds a tenth of the padding of plain batches in random order', () => {
    const rows = ascending(2000).map((i) => 5 + ((i * 7919) % 60));
    const padding = (batches: Int32Array[]) =>
      batches.reduce((sum, batch) => {
        const longest = Math.max(...Array.from(batch, (row) => rows[row]));
        return sum + batch.reduce((part, row) => part + longest - rows[row], 0);
      }, 0);
    const plain = ascending(100).map((i) => Int32Array.from(ascending(20), (j) => i * 20 + j));
    const like = likeLengthBatches(rows, { batchSize: 20, seed: 3, epoch: 0 });
    expect(padding(like)).toBeLessThan(padding(plain) / 10);
  });
});

describe('evaluationBatches', () => {
  it('sorts all rows by length, ties in row order', () => {
    fc.assert(
      fc.property(lengths, batchSize, (rows, size) => {
        const batches = evaluationBatches(rows, size);
        const expected = ascending(rows.length).sort((a, b) => rows[a] - rows[b] || a - b);
        expect(flat(batches)).toEqual(expected);
        expect(batches.slice(0, -1).every((batch) => batch.length === size)).toBe(true);
      }),
    );
  });
});

describe('encodeRows', () => {
  it('encodes the given rows, and pairs with their second texts', () => {
    const encoder = {
      encode: (text: string, second: string | undefined, maxLength: number): TokenIds => {
        const ids = [...text, ...(second ?? '')].map((letter) => letter.charCodeAt(0)).slice(0, maxLength);
        return { ids, typeIds: ids.map((_, i) => (i < text.length ? 0 : 1)) };
      },
    };
    const limits = { vocabSize: 128, typeVocabSize: 2 };
    const single = { texts: ['ab', 'cde'] } as unknown as Dataset;
    expect(encodeRows(single, [1, 0], encoder, 2, limits).map(({ ids }) => ids)).toEqual([
      Int32Array.of(99, 100),
      Int32Array.of(97, 98),
    ]);
    const pairs = { texts: ['ab'], seconds: ['c'] } as unknown as Dataset;
    expect(encodeRows(pairs, Int32Array.of(0), encoder, 9, limits)).toEqual([
      { ids: Int32Array.of(97, 98, 99), typeIds: Uint8Array.of(0, 0, 1) },
    ]);
  });
});

describe('encodeRows on a model', () => {
  const dataset = { path: 'rows.tsv', texts: ['a', 'b'], rowNumbers: Int32Array.of(4, 7) } as unknown as Dataset;
  const encode = (ids: number[], typeIds: number[], limits: { vocabSize: number; typeVocabSize: number }) => () =>
    encodeRows(dataset, [1], { encode: () => ({ ids, typeIds }) }, 9, limits);

  it.each<[string, number[], number[], number, string]>([
    ['no token', [], [], 2, 'rows.tsv: row 7 gives no tokens; at least one is needed'],
    ['a token too high', [1, 30], [0, 0], 2, "rows.tsv: row 7 gives token id 30; the model's vocabulary ends at 29"],
    ['a token below 0', [-1], [0], 2, 'rows.tsv: row 7 gives token id -1'],
    ['a segment too high', [1, 2], [0, 2], 2, 'rows.tsv: row 7 gives segment 2; the model has 2 segments'],
    ['a pair', [1, 2], [0, 1], 1, 'rows.tsv: row 7 gives segment 1; the model has one segment: it cannot read pairs'],
  ])('refuses %s', (_, ids, typeIds, typeVocabSize, message) => {
    const attempt = encode(ids, typeIds, { vocabSize: 30, typeVocabSize });
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });

  it('does not check segments if the model reads none', () => {
    expect(encode([1], [5], { vocabSize: 30, typeVocabSize: 0 })()).toHaveLength(1);
  });
});

describe('padBatch', () => {
  const rows: TokenIds[] = [
    { ids: [5, 6, 7], typeIds: [0, 0, 1] },
    { ids: [8], typeIds: [1] },
  ];

  it('pads rows on the right to matrices', () => {
    expect(padBatch(rows, 9)).toEqual({
      ids: Int32Array.of(5, 6, 7, 8, 9, 9),
      typeIds: Int32Array.of(0, 0, 1, 1, 0, 0),
      mask: Int32Array.of(1, 1, 1, 1, 0, 0),
      lengths: Int32Array.of(3, 1),
      B: 2,
      S: 3,
    });
    expect(lengthsOf(rows)).toEqual(Int32Array.of(3, 1));
  });

  it('rounds the width up to a multiple', () => {
    expect(padBatch(rows, 0, 8).S).toBe(8);
    expect(padBatch(rows, 0, 3).S).toBe(3);
    expect([...padBatch(rows, 4, 4).ids]).toEqual([5, 6, 7, 4, 8, 4, 4, 4]);
  });

  it('refuses an empty batch', () => {
    expect(() => padBatch([], 0)).toThrow(RangeError);
    expect(() => padBatch([{ ids: [], typeIds: [] }], 0)).toThrow(RangeError);
  });
});
