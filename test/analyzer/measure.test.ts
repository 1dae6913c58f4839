import { makeReport } from '../../analyzer/head-report';
import { type BatchOutputs, HeadMeter } from '../../analyzer/measure';
import { HeadStatistics } from '../../analyzer/statistics';
import { XI_GRID } from '../../heads/head-report';

const [LAYERS, HEADS, DH] = [1, 3, 4];

/** Outputs of one sequence's heads `o[h][token][i]`, as the graph has them: Gram or whole. */
function batchOf(o: number[][][], kind: 'gram' | 'context', padding = 0): BatchOutputs {
  const length = o[0].length;
  const tokens = length + padding;
  const value = (h: number, s: number, i: number) => o[h][s]?.[i] ?? 0;
  const lengths = Int32Array.of(length);
  const rows = Int32Array.of(0);
  if (kind === 'context') {
    const context = new Float32Array(tokens * HEADS * DH);
    for (let s = 0; s < tokens; s++) {
      for (let h = 0; h < HEADS; h++) for (let i = 0; i < DH; i++) context[(s * HEADS + h) * DH + i] = value(h, s, i);
    }
    return { rows, lengths, tokens, gramSize: DH, layers: [{ context }] };
  }
  const gramSize = Math.min(tokens, DH);
  const gram = new Float64Array(HEADS * gramSize * gramSize);
  const tokenSum = new Float64Array(HEADS * DH);
  for (let h = 0; h < HEADS; h++) {
    for (let s = 0; s < tokens; s++) for (let i = 0; i < DH; i++) tokenSum[h * DH + i] += value(h, s, i);
    for (let a = 0; a < gramSize; a++) {
      for (let b = 0; b < gramSize; b++) {
        let sum = 0;
        if (tokens < DH) for (let i = 0; i < DH; i++) sum += value(h, a, i) * value(h, b, i);
        else for (let s = 0; s < tokens; s++) sum += value(h, s, a) * value(h, s, b);
        gram[(h * gramSize + a) * gramSize + b] = sum;
      }
    }
  }
  return { rows, lengths, tokens, gramSize, layers: [{ gram, tokenSum }] };
}

function measure(batches: BatchOutputs[]) {
  const bootstrap = { seed: 0, correlation: 'pearson', scope: 'layer' } as const;
  const shape = { layers: LAYERS, heads: HEADS, headDim: DH, xis: [...XI_GRID], xi: 0.9, bootstrap };
  const statistics = new HeadStatistics(shape);
  const meter = new HeadMeter(statistics, 8);
  for (const batch of batches) meter.addBatch(batch);
  const subject = { model: {} as never, data: {} as never, headNorms: [], deviceUsed: 'cpu' as const };
  const options = { xi: 0.9, correlation: 'pearson', teleport: 'richness', damping: 0.5, scope: 'layer' } as never;
  return makeReport({ ...subject, options }, statistics, 0).report;
}

const ZERO = [0, 0, 0, 0];
const KINDS = ['gram', 'context'] as const;

describe.each(KINDS)('HeadMeter on %s', (kind) => {
  it('has the closed form of outputs with orthogonal rows', () => {
    // σ = 4, 3, 2, 1 and 4, 4, 0, 0; sums 10 and 8.
    const diagonal = [4, 3, 2, 1].map((value, s) => ZERO.map((_, i) => (i === s ? value : 0)));
    const two = [4, 4, 0, 0].map((value, s) => ZERO.map((_, i) => (i === s ? -value : 0)));
    const report = measure([batchOf([diagonal, two, diagonal], kind, 3)]);
    expect(report.richness).toEqual([[3, 2, 3]]);
    expect(report.richnessByXi['0.99']).toEqual([[4, 2, 4]]);
    expect(report.richnessByXi['0.5']).toEqual([[2, 1, 2]]);
    const spectrum = report.spectrum[0].map((values) => values.map((value) => Number(value.toFixed(9))));
    expect(spectrum).toEqual([
      [0.4, 0.3, 0.2, 0.1],
      [0.5, 0.5, 0, 0],
      [0.4, 0.3, 0.2, 0.1],
    ]);
    expect(report.activation[0].map((value) => Number(value.toFixed(9)))).toEqual([30 / 16, 32 / 16, 30 / 16]);
    // o₀ = (4, 3, 2, 1)/4, o₁ = −(4, 4, 0, 0)/4: centred (1.5, .5, −.5, −1.5)/4 and −(2, 2, −2,
    // −2)/4.
    expect(report.correlation.covariance[0][1]).toBeCloseTo(8 / 16 / 3, 12);
    expect(report.correlation.covariance[0][0]).toBeCloseTo(5 / 16 / 3, 12);
    expect(report.correlation.pearson[0][1]).toBeCloseTo(8 / Math.sqrt(5 * 16), 12);
    expect(report.correlation.pearson[0][2]).toBe(1);
  });

  it('has t = 1 for a zero output and a single token, and no correlation without variance', () => {
    const some = [
      [1, 2, 3, 5],
      [2, 0, 1, 1],
    ];
    // All entries are 0.1; their mean is not 0.1 to the last bit.
    const constant = some.map(() => ZERO.map(() => 0.1));
    const report = measure([batchOf([[ZERO, ZERO], constant, some], kind)]);
    expect(report.richness[0].slice(0, 2)).toEqual([1, 1]);
    expect(report.correlation.pearson[0]).toEqual([1, 0, 0]);
    expect(report.correlation.covariance[1]).toEqual([0, 0, 0]);
    expect(report.spectrum[0][0]).toEqual(ZERO);
    const single = measure([batchOf([[[1, 2, 3, 4]], [[4, 0, 0, 1]], [ZERO]], kind, 5)]);
    expect(Object.values(single.richnessByXi)).toEqual(XI_GRID.map(() => [[1, 1, 1]]));
    expect(single.richnessStderr).toEqual([[null, null, null]]);
    expect(single.spectrum[0]).toEqual([[1, 0, 0, 0], [1, 0, 0, 0], ZERO]);
  });

  it.each([
    [Number.NaN, 'layer 0, head 1: its output is not a finite number'],
    [Number.POSITIVE_INFINITY, 'layer 0, head 1: its output is not a finite number'],
    [1e6, 'layer 0, head 1: its output is too large to be measured'],
  ])('refuses an output of %d, with layer and head', (value, message) => {
    const fine = [[1, 2, 3, 4]];
    expect(() => measure([batchOf([fine, [[1, value, 3, 4]], fine], kind)])).toThrow(message);
  });

  it('has the standard error of the mean of the counts', () => {
    const diagonal = (values: number[]) => values.map((value, s) => ZERO.map((_, i) => (i === s ? value : 0)));
    const rows = [
      [1, 1, 1, 1],
      [1, 1, 0, 0],
      [1, 0, 0, 0],
      [1, 1, 0, 0],
    ].map((values) => {
      const o = diagonal(values);
      return batchOf([o, o, o], kind);
    });
    const report = measure(rows);
    // t = 4, 2, 1, 2: mean 9/4, variance 19/12.
    expect(report.richness[0][0]).toBe(9 / 4);
    expect(report.richnessStderr[0][0]).toBeCloseTo(Math.sqrt(19 / 12 / 4), 14);
  });
});
