import * as fs from 'node:fs';
import * as path from 'node:path';
import { entitiesOf, isIob2 } from '../../delta/entities';
import { metricsOf } from '../../delta/problems';

interface Case {
  name: string;
  predictions: string[][];
  labels: string[][];
  f1: number | null;
  accuracy: number;
  entities: [row: number, type: string, first: number, last: number][];
}

/** Output of test/fixtures/make_word_metrics_golden.py, by seqeval and scikit-learn. */
const golden: Case[] = JSON.parse(
  fs.readFileSync(path.join(__dirname, '../fixtures/word-metrics.golden.json'), 'utf8'),
);

test.each(golden)('$name: entities, F1 and accuracy of seqeval and scikit-learn', (given) => {
  const { predictions, labels, f1, accuracy, entities } = given;
  const names = [...new Set([...labels, ...predictions].flat())].sort();
  const indices = (rows: string[][]) => rows.map((row) => Int32Array.from(row, (tag) => names.indexOf(tag)));
  // A set of tags that is IOB2, and one that is none.
  const values = (set: string[]) =>
    metricsOf(undefined, { problem: 'tokens', names: [...names, ...set] }).compute(
      indices(predictions),
      indices(labels),
    );
  expect(values(['NOUN'])).toEqual({ accuracy: expect.closeTo(accuracy, 12) });
  if (f1 === null) return;
  const types = [...names].filter((name) => name.startsWith('I-')).map((name) => `B${name.slice(1)}`);
  expect(values([...types, 'B-X'])).toEqual({ f1: expect.closeTo(f1, 12) });
  const found = labels.flatMap((tags, row) =>
    entitiesOf(tags).map(({ label, start, end }) => [row, label, start, end - 1]),
  );
  expect(found).toEqual(entities);
});

test('tags are IOB2 if each type begins with B-', () => {
  expect(isIob2(['O', 'B-PER', 'I-PER', 'B-LOC'])).toBe(true);
  expect(isIob2(['B-PER', 'I-PER'])).toBe(true);
  expect(isIob2(['O', 'I-PER'])).toBe(false); // IOB1
  expect(isIob2(['O', 'B-PER', 'E-PER'])).toBe(false); // IOBES
  expect(isIob2(['NOUN', 'VERB'])).toBe(false);
  expect(isIob2(['O'])).toBe(false);
});

test('F1 is undefined on rows without an entity, and the loss decides', () => {
  const metrics = metricsOf(undefined, { problem: 'tokens', names: ['B-PER', 'O'] });
  expect(metrics.isUndefinedOn([Int32Array.of(1, 1), Int32Array.of()])).toBe(true);
  expect(metrics.isUndefinedOn([Int32Array.of(1, 0)])).toBe(false);
});
