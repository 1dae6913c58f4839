import type { Dataset } from '../../data/dataset';
import { selectRows } from '../../data/dataset';
import { encodeLabels, fitLabels, labelWarnings } from '../../data/labels';
import type { TaskName } from '../../data/tasks';

const rows = (labels: string[], more: Partial<Dataset> = {}): Dataset => ({
  path: 'rows.tsv',
  sha256: '0'.repeat(64),
  texts: labels.map(() => 'x'),
  labels,
  rows: labels.length,
  skipped: 0,
  problem: 'single-label',
  ...more,
});

const glue = (task: TaskName, labels: string[]) => rows(labels, { task });

describe('fitLabels', () => {
  it.each([
    [
      ['pos', 'neg', 'pos', 'Neutral'],
      ['Neutral', 'neg', 'pos'],
    ],
    [
      ['10', '9', '-1', '9', '1.5'],
      ['-1', '1.5', '9', '10'],
    ],
    [
      ['10', '9', 'x'],
      ['10', '9', 'x'],
    ],
    [
      ['1.0', '1', '0'],
      ['0', '1', '1.0'],
    ],
  ])('sorts the classes of %j, numbers by value', (labels, names) => {
    expect(fitLabels(rows(labels))).toEqual({ problem: 'single-label', names });
    expect(fitLabels(rows([...labels].reverse()))).toEqual({ problem: 'single-label', names });
  });

  it("has a task's classes in GLUE's order, also those that no row has", () => {
    expect(fitLabels(glue('mnli', ['contradiction', 'entailment']))).toEqual({
      problem: 'single-label',
      names: ['entailment', 'neutral', 'contradiction'],
    });
    expect(() => fitLabels(glue('rte', ['entailment', 'neutral']))).toThrow(
      'rows.tsv: row 1 has the label "neutral"; the task rte has "entailment", "not_entailment"',
    );
  });

  it('refuses rows of one class', () => {
    expect(() => fitLabels(rows(['a', 'a', 'a']))).toThrow(
      'rows.tsv: all 3 rows have the label "a"; two classes are needed',
    );
    expect(() => fitLabels(glue('cola', ['1', '1']))).toThrow(/all 2 rows have the label "1"/);
  });

  it('has no names of a regression', () => {
    expect(fitLabels(rows(['1', '1'], { problem: 'regression' }))).toEqual({ problem: 'regression', names: [] });
  });
});

describe('encodeLabels', () => {
  it('returns class indices', () => {
    const train = rows(['b', 'a', 'c']);
    expect(encodeLabels(rows(['c', 'c', 'a']), fitLabels(train))).toEqual(Int32Array.of(2, 2, 0));
  });

  it('refuses an unknown label, with its row in the file and the known labels', () => {
    const set = fitLabels(rows(['yes', 'no']));
    const dev = selectRows(rows(['no', 'yes', 'no', 'perhaps'], { path: 'dev.tsv' }), [3, 0]);
    expect(() => encodeLabels(dev, set)).toThrow(
      'dev.tsv: row 3 has the label "perhaps"; the training rows have "no", "yes"',
    );
  });

  it('lists the first of many classes', () => {
    const set = fitLabels(rows(Array.from({ length: 25 }, (_, i) => `${i}`)));
    expect(() => encodeLabels(rows(['x']), set)).toThrow(/"19" and 5 more$/);
  });

  it('returns the numbers of a regression', () => {
    const values = encodeLabels(rows(['4.5', '-1', '1e-3', '.5', '3.', '+2']), { problem: 'regression', names: [] });
    expect(values).toEqual(Float32Array.of(4.5, -1, 1e-3, 0.5, 3, 2));
  });

  it.each(['high', 'NaN', 'Infinity', '0x10', '1,5', '1e39', '', '4.5.1'])('refuses %j as a number', (label) => {
    expect(() => encodeLabels(rows(['1', label]), { problem: 'regression', names: [] })).toThrow(
      `rows.tsv: row 1 has the label "${label}"; a regression needs a finite number`,
    );
  });

  it('refuses a dataset without labels', () => {
    expect(() => fitLabels(rows(['a'], { labels: undefined }))).toThrow(/labels were not read/);
  });
});

describe('labelWarnings', () => {
  const warnings = (labels: string[], more?: Partial<Dataset>) => {
    const dataset = rows(labels, more);
    return labelWarnings(dataset, fitLabels(dataset));
  };

  it('warns of classes that differ only in letter case', () => {
    expect(warnings(['NEG', 'pos', 'neg', 'Neg', 'NEG'])).toEqual([
      'rows.tsv: the labels "NEG", "Neg", "neg" differ only in letter case; they are 3 classes',
    ]);
    expect(warnings(['Straße', 'STRASSE', 'strasse'])).toHaveLength(1);
    expect(warnings(['Σ', 'x', 'σ'])).toHaveLength(1);
  });

  it('warns of classes that differ only in Unicode composition', () => {
    expect(warnings(['caf\u00e9', 'bar', 'cafe\u0301'])).toEqual([
      'rows.tsv: the labels "cafe\u0301" (U+0063 U+0061 U+0066 U+0065 U+0301), "caf\u00e9" (U+0063 U+0061 U+0066 U+00E9) look the same but have different code points; they are 2 classes',
    ]);
    expect(warnings(['CAF\u00c9', 'cafe\u0301'])).toHaveLength(1);
  });

  it('warns of numbers that are most often values, from 20 on', () => {
    const numbers = Array.from({ length: 20 }, (_, i) => String(i / 2));
    expect(warnings(numbers)).toEqual([
      'rows.tsv: the labels are 20 different numbers, each a class; to predict a number give --regression',
    ]);
    expect(warnings(numbers.slice(1))).toEqual([]);
    expect(warnings([...numbers.slice(1), 'x'])).toEqual([]);
    expect(warnings(numbers, { problem: 'regression' })).toEqual([]);
  });

  it('warns of several labels in one', () => {
    const labelled = { path: 'rows.tsv' };
    const warned = (names: string[]) => labelWarnings(labelled, { problem: 'multi-label', names });
    expect(warned(['joy', 'joy, anger', 'anger'])).toEqual([
      'rows.tsv: "joy, anger" is one label; if it is several, give --label-separator ","',
    ]);
    expect(warned(['joy, glee', 'anger'])).toEqual([]);
  });

  it('does not warn of other classes, or of numbers', () => {
    expect(warnings(['neg', 'pos', 'negative', 'é', 'e', '1', '1.0'])).toEqual([]);
    expect(warnings(['1e1', '1E1'], { problem: 'regression' })).toEqual([]);
  });
});
