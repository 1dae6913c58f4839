import type { Dataset } from '../../data/dataset';
import type { Target } from '../../data/label-reading';
import type { LabelSet } from '../../data/problem';
import { randomStream } from '../../data/random';
import { analyseErrors } from '../../delta/analyse-errors';
import type { ErrorAnalysis } from '../../delta/error-analysis';

const WORDS = 'the a farmer market song teacher bread village winter letter child clever tired old'.split(' ');
/** Texts that a page must bear: markup, right to left, empty, long, one long word. */
const ODD = [
  '<script>alert(1)</script> & "quotes" <b>bold</b>',
  'هذا نص من اليمين إلى اليسار، مع كلمة English في وسطه',
  '',
  `${'long '.repeat(200)}end`,
  'x'.repeat(300),
  'two\nlines, and a\ttab',
];

const stream = randomStream(0, 'test/errors');
const pick = <T>(values: readonly T[]): T => values[stream.int(values.length)];
const normal = () => stream.int(2000) / 500 - 2;
const sentence = (row: number) => ODD[row] ?? Array.from({ length: 3 + stream.int(9) }, () => pick(WORDS)).join(' ');

function analysis(labels: LabelSet, targets: Target[], values: number[], more: Partial<Dataset> = {}): ErrorAnalysis {
  const rows = targets.length;
  const { problem, names } = labels;
  let all = 0;
  const words = more.words && [0, ...more.words.map((each) => (all += each!.length))];
  const dataset: Dataset = {
    ...{ path: 'rows.tsv', sha256: '', rows, skipped: 0, problem },
    texts: Array.from({ length: rows }, (_, row) => sentence(row)),
    ...more,
  };
  const outputs = Math.max(1, names.length);
  const logits = { values: Float32Array.from(values), outputs, ...(words && { words: Int32Array.from(words) }) };
  return analyseErrors(logits, { dataset, targets }, labels);
}

/** Error analysis of seeded rows of one class each. */
export function classErrors(names: readonly string[], rows = 200): ErrorAnalysis {
  const targets = Array.from({ length: rows }, () => stream.int(names.length));
  const values = targets.flatMap((target) => names.map((_, label) => normal() + (label === target ? 2.5 : 0)));
  return analysis({ problem: 'single-label', names }, targets, values);
}

/** Error analysis of seeded rows of several labels each. */
export function severalErrors(names: readonly string[], rows = 300): ErrorAnalysis {
  const targets = Array.from({ length: rows }, () =>
    Uint8Array.from(names, (_, label) => Number(stream.int(8 + label) < 2)),
  );
  const values = targets.flatMap((target) => names.map((_, label) => normal() * 1.5 - 2 + (target[label] ? 3 : 0)));
  return severalErrorsOf(names, targets, values);
}

/** Error analysis of given rows of several labels each. @param values logits of all rows */
export const severalErrorsOf = (names: readonly string[], targets: Uint8Array[], values: number[]): ErrorAnalysis =>
  analysis({ problem: 'multi-label', names, thresholds: names.map(() => 0.4) }, targets, values);

/** Error analysis of seeded sentences with entities, the first of them long and of odd words. */
export function wordErrors(rows = 60): ErrorAnalysis {
  const names = ['B-LOC', 'B-ORG', 'B-PER', 'I-LOC', 'I-ORG', 'I-PER', 'O'];
  const words = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: row === 0 ? 200 : 4 + stream.int(9) }, (_, at) =>
      row === 1 ? ODD[at % 2 === 0 ? 0 : 1] : pick(WORDS),
    ),
  );
  const targets = words.map((each) => Int32Array.from(each, () => (stream.int(3) ? 6 : stream.int(6))));
  const values = targets.flatMap((tags) =>
    [...tags].flatMap((tag) => names.map((_, i) => normal() + (i === tag ? 3 : 0))),
  );
  return analysis({ problem: 'tokens', names }, targets, values, { words });
}

/** Error analysis of seeded queries with six rows each. */
export function relevanceErrors(queries = 30): ErrorAnalysis {
  const targets = Array.from({ length: 6 * queries }, (_, row) => ({
    query: Math.floor(row / 6),
    relevance: row % 6 === 2 ? 1 : 0,
  }));
  const values = targets.map(({ relevance }) => normal() + 1.5 * relevance);
  const seconds = targets.map((_, row) => sentence(row));
  return analysis({ problem: 'relevance', names: [] }, targets, values, { seconds });
}

/** Error analysis of seeded numbers. */
export function numberErrors(rows = 80): ErrorAnalysis {
  const targets = Array.from({ length: rows }, () => stream.int(50) / 10);
  return analysis(
    { problem: 'regression', names: [] },
    targets,
    targets.map((target) => target + normal()),
  );
}

/** Names of many labels, the longest and odd ones among them. */
export const manyNames = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => (i === 3 ? 'a label with quite a long name <i>' : `${pick(WORDS)} ${i}`));
