import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Dataset } from '../../data/dataset';
import type { Target } from '../../data/label-reading';
import type { LabelSet } from '../../data/problem';
import { analyseErrors } from '../../delta/analyse-errors';
import type { ClassAverages, ClassScores } from '../../delta/class-scores';
import { entitiesOf } from '../../delta/entities';
import { thresholdCurves } from '../../delta/threshold-curves';
import { WORST_ROWS } from '../../delta/worst-rows';

interface Case<Rows> {
  name: string;
  predictions: Rows;
  labels: Rows;
  /** Precision, recall, F1 and support of each class. */
  classes: number[][];
  averages: Record<keyof ClassAverages, number[]>;
}

/** Output of test/fixtures/make_error_golden.py, by scikit-learn and seqeval. */
const golden: {
  classes: (Case<number[]> & { count: number; confusion: number[][] })[];
  several: (Case<number[][]> & { confusion: number[][][] })[];
  tags: Case<string[][]>[];
  curves: {
    name: string;
    logits: number[][];
    labels: number[][];
    thresholds: number[];
    points: number[][][];
    micro: number[][];
  }[];
} = JSON.parse(fs.readFileSync(path.join(__dirname, '../fixtures/errors.golden.json'), 'utf8'));

const dataset = (rows: number, more: Partial<Dataset> = {}): Dataset => ({
  ...{ path: 'rows.tsv', sha256: '', rows, skipped: 0, problem: 'single-label' },
  texts: Array.from({ length: rows }, (_, row) => `text ${row}`),
  ...more,
});

/** First word of each row, and the number of words. */
function firstWords(words: readonly (readonly string[] | undefined)[]): number[] {
  let all = 0;
  return [0, ...words.map((row) => (all += row!.length))];
}

/** Analysis of logits per row, or per word of a row. */
function analyse(labels: LabelSet, targets: Target[], logits: number[][], more: Partial<Dataset> = {}, omit = false) {
  const words = more.words && firstWords(more.words);
  const values = { values: Float32Array.from(logits.flat()), outputs: Math.max(1, labels.names.length) };
  const rows = { dataset: dataset(targets.length, more), targets };
  return analyseErrors({ ...values, ...(words && { words: Int32Array.from(words) }) }, rows, labels, omit);
}

const oneHot = (count: number, at: number) => Array.from({ length: count }, (_, i) => (i === at ? 4 : 0));
const scores = ({ precision, recall, f1, support }: ClassScores) => [precision, recall, f1, support];

function expectScores(found: { classes?: ClassScores[]; averages?: ClassAverages }, expected: Case<unknown>): void {
  const near = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 12));
  expect(found.classes!.map(scores)).toEqual(expected.classes.map(near));
  for (const [name, { precision, recall, f1 }] of Object.entries(found.averages!)) {
    expect([name, precision, recall, f1]).toEqual([name, ...near(expected.averages[name as keyof ClassAverages])]);
  }
}

test.each(golden.classes)('classes of scikit-learn: $name', (given) => {
  const names = Array.from({ length: given.count }, (_, i) => `class ${i}`);
  const logits = given.predictions.map((index) => oneHot(given.count, index));
  const found = analyse({ problem: 'single-label', names }, given.labels, logits);
  expectScores(found, given);
  expect(found).toMatchObject({
    unit: 'rows',
    rows: logits.length,
    confusion: { labels: names, matrix: given.confusion },
  });
  expect(found.wrong).toBe(given.labels.filter((label, i) => label !== given.predictions[i]).length);
  expect(found.worst).toHaveLength(Math.min(WORST_ROWS, found.wrong));
});

test.each(golden.several)('several labels of scikit-learn: $name', (given) => {
  const names = given.labels[0].map((_, i) => `label ${i}`);
  const targets = given.labels.map((row) => Uint8Array.from(row));
  const logits = given.predictions.map((row) => row.map((has) => (has ? 2 : -2)));
  const found = analyse({ problem: 'multi-label', names }, targets, logits);
  expectScores(found, given);
  const counts = found.classes!.map(({ truePositives: tp, falsePositives: fp, falseNegatives: fn }) => [
    [targets.length - tp - fp - fn, fp],
    [fn, tp],
  ]);
  expect(counts).toEqual(given.confusion);
  const { labels, matrix } = found.confusion!;
  expect(labels).toEqual([...names, null]);
  expect(names.map((_, i) => matrix[i][i])).toEqual(found.classes!.map(({ truePositives }) => truePositives));
});

test.each(golden.tags)('entities of seqeval: $name', ({ labels, predictions, ...expected }) => {
  const names = ['O', 'B-LOC', 'B-ORG', 'B-PER', 'I-LOC', 'I-ORG', 'I-PER'];
  const targets = labels.map((row) => Int32Array.from(row, (tag) => names.indexOf(tag)));
  const logits = predictions.map((row) => row.flatMap((tag) => oneHot(names.length, names.indexOf(tag))));
  const found = analyse({ problem: 'tokens', names }, targets, logits, { words: labels });
  expectScores(found, { labels, predictions, ...expected });
  // Rows of the matrix count the labelled entities, its columns the predicted ones.
  const { matrix } = found.confusion!;
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const entities = (rows: string[][]) => rows.flatMap((row) => entitiesOf(row)).length;
  expect(sum(matrix.slice(0, -1).flat())).toBe(entities(labels));
  expect(sum(matrix.flatMap((row) => row.slice(0, -1)))).toBe(entities(predictions));
});

test.each(golden.curves)('threshold curves of scikit-learn: $name', ({ logits, labels, thresholds, points, micro }) => {
  const names = labels[0].map((_, i) => `label ${i}`);
  const values = { values: Float32Array.from(logits.flat()), outputs: names.length };
  const found = thresholdCurves(
    values,
    labels.map((row) => Uint8Array.from(row)),
    { names },
  );
  expect(found.thresholds).toEqual(thresholds);
  const at = ({ precision, recall, f1 }: (typeof found)['micro'], step: number) => [
    precision[step],
    recall[step],
    f1[step],
  ];
  for (const step of thresholds.keys()) {
    expect(at(found.micro, step)).toEqual(micro[step].map((value) => expect.closeTo(value, 12)));
    found.labels.forEach((curve, label) => {
      expect(at(curve, step)).toEqual(points[step][label].map((value) => expect.closeTo(value, 12)));
    });
    const mean = points[step].reduce((sum, [, , f1]) => sum + f1, 0) / names.length;
    expect(found.macro.f1[step]).toBeCloseTo(mean, 12);
  }
});

test('a missed label is paired with those in excess, and alone without one', () => {
  const names = ['a', 'b', 'c'];
  const targets = [
    [1, 0, 0],
    [1, 1, 0],
    [0, 0, 0],
  ].map((row) => Uint8Array.from(row));
  const found = analyse({ problem: 'multi-label', names }, targets, [
    [-1, 1, 1],
    [-1, 1, -1],
    [-1, -1, 1],
  ]);
  expect(found.confusion!.matrix).toEqual([
    [0, 1, 1, 1],
    [0, 1, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 1, 0],
  ]);
});

test('parts of speech are confused by words', () => {
  const names = ['DET', 'NOUN'];
  const words = [['the', 'cat'], ['a']];
  const found = analyse(
    { problem: 'tokens', names },
    [Int32Array.of(0, 1), Int32Array.of(0)],
    [
      [1, 0, 1, 0],
      [1, 0],
    ],
    {
      words,
    },
  );
  expect(found).toMatchObject({
    unit: 'words',
    confusion: {
      labels: names,
      matrix: [
        [2, 0],
        [1, 0],
      ],
    },
  });
  expect(found.worst).toEqual([
    { row: 0, loss: expect.any(Number), label: ['DET', 'NOUN'], predicted: ['DET', 'DET'], words: ['the', 'cat'] },
  ]);
});

test('the worst rows are the wrong ones of the largest loss, with their numbers in the file', () => {
  const labels: LabelSet = { problem: 'single-label', names: ['no', 'yes'] };
  const more = { rowNumbers: Int32Array.of(10, 11, 12, 13), seconds: ['p', '', 'r', 's'] };
  const found = analyse(
    labels,
    [0, 0, 1, 0],
    [
      [0, 1],
      [0, 3],
      [0, 9],
      [5, 0],
    ],
    more,
  );
  expect(found.wrong).toBe(2);
  expect(found.worst).toEqual([
    {
      row: 11,
      loss: expect.closeTo(Math.log(1 + Math.exp(3)), 6),
      label: 'no',
      predicted: 'yes',
      text: 'text 1',
      second: '',
    },
    {
      row: 10,
      loss: expect.closeTo(Math.log(1 + Math.E), 6),
      label: 'no',
      predicted: 'yes',
      text: 'text 0',
      second: 'p',
    },
  ]);
  const [worst] = analyse(labels, [0], [[0, 1]], {}, true).worst;
  expect(Object.keys(worst)).toEqual(['row', 'loss', 'label', 'predicted']);
});

test('numbers are listed by the squared difference', () => {
  const found = analyse({ problem: 'regression', names: [] }, [1, 2, 3], [[1], [4], [2.5]]);
  expect(found).toMatchObject({
    wrong: 2,
    worst: [
      { row: 1, loss: 4, label: 2, predicted: 4 },
      { row: 2, loss: 0.25 },
    ],
  });
  expect(found.classes).toBeUndefined();
});

test('of a relevance the worst query has its best relevant row, and the row that is first', () => {
  const targets = [0, 0, 0, 1, 1, 2].map((query, row) => ({ query, relevance: [0, 1, 0, 1, 0, 0][row] }));
  const more = { seconds: ['a', 'b', 'c', 'd', 'e', 'f'] };
  const found = analyse({ problem: 'relevance', names: [] }, targets, [[2], [0], [1], [3], [0], [0]], more);
  expect(found.wrong).toBe(1);
  expect(found.worst).toEqual([
    {
      ...{ row: 1, loss: expect.closeTo(Math.LN2, 6), label: 1, predicted: 0.5, text: 'text 1', second: 'b' },
      ranking: {
        ...{ rank: 3, rows: 3, ndcg: expect.closeTo(0.5, 12) },
        first: { row: 0, predicted: expect.closeTo(1 / (1 + Math.exp(-2)), 6), second: 'a' },
      },
    },
  ]);
});

test('long texts are cut between characters, long sentences around their first wrong word', () => {
  const text = `${'x'.repeat(398)}😀 and more`;
  const labels: LabelSet = { problem: 'single-label', names: ['no', 'yes'] };
  expect(analyse(labels, [0], [[0, 1]], { texts: [text] }).worst[0].text).toBe(`${'x'.repeat(398)}…`);
  const words = Array.from({ length: 200 }, (_, at) => `${at}`);
  const tags = Int32Array.from(words, (_, at) => Number(at === 150));
  const logits = [words.flatMap(() => [1, 0])];
  const [worst] = analyse({ problem: 'tokens', names: ['DET', 'NOUN'] }, [tags], logits, { words: [words] }).worst;
  expect(worst).toMatchObject({ firstWord: 140, words: words.slice(140, 200) });
  expect((worst.label as string[])[10]).toBe('NOUN');
  const [bare] = analyse({ problem: 'tokens', names: ['DET', 'NOUN'] }, [tags], logits, { words: [words] }, true).worst;
  expect(Object.keys(bare)).toEqual(['row', 'loss', 'label', 'predicted', 'firstWord']);
});
