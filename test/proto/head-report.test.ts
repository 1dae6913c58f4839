import { toJson } from '@bufbuild/protobuf';
import fc from 'fast-check';
import type { HeadReport, PerHead } from '../../heads/head-report';
import { rankHeads } from '../../heads/ranking';
import { AnalyzeResponseSchema, ReportView } from '../../proto/gen/hifi/v1/analyzer_pb';
import { HeadReportSchema } from '../../proto/gen/hifi/v1/heads_pb';
import { reportMessage, reportOf, viewOf } from '../../proto/head-report';
import { sampleReport } from '../job/sample-results';
import { crossed } from './crossing';

const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const perHead = (layers: number, heads: number): fc.Arbitrary<PerHead> =>
  fc.array(fc.array(number, { minLength: heads, maxLength: heads }), { minLength: layers, maxLength: layers });

/** Reports with arbitrary numbers, of one sequence and of several. */
const report: fc.Arbitrary<HeadReport> = fc
  .record({
    layers: fc.integer({ min: 1, max: 3 }),
    heads: fc.integer({ min: 1, max: 4 }),
    headDim: fc.integer({ min: 1, max: 3 }),
    single: fc.boolean(),
    auto: fc.boolean(),
  })
  .chain(({ layers, heads, headDim, single, auto }) => {
    const each = perHead(layers, heads);
    const square = perHead(layers * heads, layers * heads);
    const before = sampleReport(layers, heads);
    return fc.record({
      schemaVersion: fc.constant(1 as const),
      model: fc.constant({
        ...{ ...before.model, headDim },
        ...(auto && {
          headParameters: { q: 4, k: 0, v: 3, o: 2, groupSize: 1 },
          layerParameters: { matrices: 5, projections: 0 },
        }),
      }),
      data: fc.record({
        path: fc.string({ unit: 'grapheme' }),
        sha256: fc.constant('cd'.repeat(32)),
        rows: fc.nat(),
        sampleIds: fc.array(fc.nat()),
      }),
      options: fc.constant(
        auto ? { ...before.options, samples: 'auto' as const, maxSamples: 500 } : { ...before.options, seed: 0 },
      ),
      samples: fc.integer({ min: 1, max: 1000 }),
      richness: each,
      richnessStderr: single ? fc.constant(before.richness.map((row) => row.map(() => null))) : each,
      richnessByXi: fc.dictionary(
        fc.double({ min: 0, max: 1, noNaN: true }).map((xi) => String(xi + 0)),
        each,
        { maxKeys: 4 },
      ),
      correlation: fc.record({ pearson: square, covariance: square }),
      pagerank: each,
      activation: each,
      headNorms: each,
      stability: single ? fc.constant(null) : each,
      rankCorrelations: fc.array(fc.record({ richness: number, correlationSum: number }), {
        minLength: layers,
        maxLength: layers,
      }),
      spectrum: fc.array(perHead(heads, headDim), { minLength: layers, maxLength: layers }),
      iterations: fc.nat(),
      deviceUsed: fc.constantFrom('cpu' as const, 'cuda' as const),
      elapsedSeconds: number,
    });
  });

describe('a report', () => {
  it('survives its full view bit for bit', () => {
    fc.assert(
      fc.property(report, fc.array(fc.string({ unit: 'grapheme' })), (drawn, warnings) => {
        const message = crossed(HeadReportSchema, reportMessage({ report: drawn, warnings }, 'full'));
        expect(reportOf(message)).toEqual({ report: drawn, warnings });
      }),
    );
  });

  it('has the k best heads of each layer in its full view, the five best of the model in its basic view', () => {
    const sample = sampleReport(3, 4);
    const { pagerank } = rankHeads(sample);
    const ranked = { ...sample, pagerank, stability: sample.richness.map((row) => row.map((_, head) => head / 4)) };
    const full = reportMessage({ report: ranked, warnings: [] }, 'full');
    expect(full.topHeads.map(({ layer }) => layer)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    const basic = reportMessage({ report: ranked, warnings: [] }, 'basic');
    expect(basic.topHeads).toHaveLength(5);
    const scores = basic.topHeads.map(({ score }) => score!);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(scores[0]).toBe(Math.max(...pagerank.flat()));
    for (const { layer, head, score, stability } of [...full.topHeads, ...basic.topHeads]) {
      expect([score, stability]).toEqual([pagerank[layer!][head!], head! / 4]);
    }
  });

  it('is short in its basic view, which prints layer 0 and head 0', () => {
    const sample = sampleReport(6, 12);
    const stability = sample.richness.map((row) => row.map(() => 0));
    const pagerank = sample.richness.map((row, layer) => row.map((_, head) => (layer + head === 0 ? 1 : 0)));
    const value = reportMessage({ report: { ...sample, stability, pagerank }, warnings: ['one', 'two'] }, 'basic');
    const json = toJson(AnalyzeResponseSchema, {
      $typeName: 'hifi.v1.AnalyzeResponse',
      event: { case: 'report', value },
    }) as { report: { topHeads: object[] } };
    expect(JSON.stringify(json, null, 2).split('\n').length).toBeLessThanOrEqual(60);
    expect(json.report.topHeads[0]).toEqual({ layer: 0, head: 0, score: 1, stability: 0 });
  });

  it('is refused if its parts do not match', () => {
    const message = reportMessage({ report: { ...sampleReport(), spectrum: [] }, warnings: [] }, 'full');
    expect(() => reportOf(message)).toThrow('report.spectrum has 0 numbers; it must have 64');
    const basic = reportMessage({ report: sampleReport(), warnings: [] }, 'basic');
    expect(() => reportOf(basic)).toThrow('report.spectrum has 0 numbers');
  });

  it.each([
    [undefined, 'basic'],
    [ReportView.UNSPECIFIED, 'basic'],
    [ReportView.BASIC, 'basic'],
    [ReportView.FULL, 'full'],
  ])('view %s is %s', (view, name) => expect(viewOf(view)).toBe(name));
});
