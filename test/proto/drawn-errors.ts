import fc from 'fast-check';
import { ERROR_UNITS, type ErrorAnalysis, type WorstRow } from '../../delta/error-analysis';

const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const count = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const text = fc.string({ unit: 'grapheme' });
const some = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 3 });

const scores = fc.record({ precision: number, recall: number, f1: number });
const counts = fc.record({ support: count, truePositives: count, falsePositives: count, falseNegatives: count });
const oneClass = fc
  .tuple(
    fc.record({ label: text }),
    scores,
    counts,
    fc.oneof(
      fc.constant({}),
      number.map((threshold) => ({ threshold })),
    ),
  )
  .map(([label, of, all, more]) => ({ ...label, ...of, ...all, ...more }));
const confusion = fc
  .tuple(some(text), fc.boolean(), count)
  .map(([named, hasNone, first]) => ({ labels: hasNone ? [...named, null] : named, first }))
  .map(({ labels, first }) => ({ labels, matrix: labels.map((_, row) => labels.map((_, at) => (row ? at : first))) }));
const curve = fc.record({ precision: fc.array(number), recall: fc.array(number), f1: fc.array(number) });
const curves = fc.record({
  thresholds: fc.array(number),
  micro: curve,
  macro: curve,
  labels: fc.array(fc.tuple(text, curve).map(([label, values]) => ({ label, ...values }))),
});
const answer = fc.oneof(text, number, fc.array(text));
const worst = fc.record(
  {
    ...{ row: count, loss: number, label: answer, predicted: answer },
    ...{ text, second: text, words: some(text), firstWord: count },
    ranking: fc.record({
      ...{ rank: count, rows: count, ndcg: number },
      first: fc.record({ row: count, predicted: number, second: text }, { requiredKeys: ['row', 'predicted'] }),
    }),
  },
  { requiredKeys: ['row', 'loss', 'label', 'predicted'] },
) as fc.Arbitrary<WorstRow>;

/** Error analyses of any problem, consistent or not. */
export const errorAnalyses = fc.record(
  {
    ...{ rows: count, wrong: count, worst: fc.array(worst, { maxLength: 3 }) },
    ...{ unit: fc.constantFrom(...ERROR_UNITS), classes: some(oneClass), confusion, thresholdCurves: curves },
    averages: fc.record({ micro: scores, macro: scores, weighted: scores }),
  },
  { requiredKeys: ['rows', 'wrong', 'worst'] },
) as fc.Arbitrary<ErrorAnalysis>;
