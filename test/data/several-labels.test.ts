import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import { jsonLines, jsonLinesSource } from '../../data/json-lines';
import { encodeLabels, fitLabels, strataOf } from '../../data/labels';
import { readDataset } from '../../data/read';
import { FIXTURES, temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('several-labels');
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** Source of rows that the test writes. */
function rows(name: string, lines: readonly string[], more: Partial<DataSource>): DataSource {
  const file = path.join(folder, name);
  fs.writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  return { path: name, file, textColumns: ['text'], problem: 'multi-label', ...more };
}

/** The same four rows in every form that the labels may have. */
const FORMS: Record<string, DataSource> = {
  'lists of JSON lines': rows(
    'lists.jsonl',
    [
      '{"text": "one", "y": ["joy", "anger"]}',
      '{"text": "two", "y": []}',
      '{"text": "three", "y": ["fear"]}',
      '{"text": "four", "y": ["joy", " joy ", ""]}',
    ],
    { labelColumn: 'y' },
  ),
  'joined texts of a TSV': rows(
    'joined.tsv',
    ['text\ty', 'one\tjoy|anger', 'two\t', 'three\t fear', 'four\tjoy||joy'],
    {
      labelColumn: 'y',
    },
  ),
  'another separator': rows('joined.csv', ['text,y', 'one,anger; joy', 'two,', 'three,fear', 'four,joy'], {
    labelColumn: 'y',
    labelSeparator: ';',
  }),
  'a column for each label': rows(
    'columns.csv',
    ['joy,text,fear,anger', '1,one,0,1.0', '0,two,0,0', '0,three,1,false', 'true,four,0,0'],
    { labelColumns: ['fear', 'joy', 'anger'] },
  ),
};

test.each(Object.entries(FORMS))('labels of a row: %s', async (_, source) => {
  const dataset = await readDataset(source, 'labels');
  const labels = fitLabels(dataset);
  expect(labels).toEqual({ problem: 'multi-label', names: ['anger', 'fear', 'joy'] });
  const targets = [
    [1, 0, 1],
    [0, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  expect(encodeLabels(dataset, labels)).toEqual(targets.map((row) => Uint8Array.from(row)));
  // A row's stratum is its rarest label; anger and fear have a row each, joy has two.
  expect(strataOf(encodeLabels(dataset, labels), labels)).toEqual({ of: Int32Array.of(0, 3, 1, 2) });
  // Labels that are not needed are not read.
  expect((await readDataset(source, 'texts')).labels).toBeUndefined();
});

test.each(Object.entries(FORMS))('rows written as JSON lines keep every label: %s', async (_, source) => {
  const dataset = await readDataset(source, 'labels');
  const named = { ...dataset, labelNames: ['anger', 'fear', 'joy', 'text'] };
  const file = path.join(folder, 'written.jsonl');
  fs.writeFileSync(file, jsonLines([named]));
  const again = await readDataset(jsonLinesSource(file, named), 'labels');
  expect(again.texts).toEqual(dataset.texts);
  const labels = { problem: 'multi-label', names: named.labelNames } as const;
  expect(fitLabels(again)).toEqual(labels);
  expect(encodeLabels(again, labels)).toEqual(encodeLabels(named, labels));
});

test('a list column of a Parquet file', async () => {
  const file = path.join(FIXTURES, 'formats/rows.snappy.parquet');
  const source: DataSource = { path: file, textColumns: ['text'], labelColumn: 'tags', problem: 'multi-label' };
  const { labels } = await readDataset(source, 'labels');
  expect(labels!.slice(0, 4)).toEqual([[], ['a'], ['a'], []]);
  await expect(readDataset({ ...source, problem: 'single-label' }, 'labels')).rejects.toThrow(/"tags" is nested/);
});

test('a column for each label of the model is needed', async () => {
  const source = rows('two.csv', ['text,a,b', 'one,0,1', 'two,1,0'], { labelColumns: ['b'] });
  const dataset = await readDataset(source, 'labels');
  expect(() => encodeLabels(dataset, { problem: 'multi-label', names: ['a', 'b'] }, 'the model has')).toThrow(
    'two.csv: --label-columns lacks "a"; name the column of each label: the model has "a", "b"',
  );
});

describe('bad input is reported in one line', () => {
  const refused = async (source: DataSource, need: 'labels' | 'texts' = 'labels') => {
    const error = await readDataset(source, need).then(
      (dataset) => {
        const labels = fitLabels(dataset);
        return encodeLabels(dataset, labels);
      },
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({ code: 'INVALID_INPUT' });
    return (error as Error).message;
  };
  const columns = (cells: string) =>
    rows('bad.csv', ['text,a,b', 'one,0,1', `two,${cells}`], { labelColumns: ['a', 'b'] });

  test('a cell of a label column that is no 0 or 1', async () => {
    expect(await refused(columns('2,0'))).toBe(
      'bad.csv: row 1 (line 3) has "2" in the column "a"; a label\'s column has 0 or 1',
    );
    expect(await refused(columns('1,'))).toBe(
      'bad.csv: row 1 (line 3) has "" in the column "b"; a label\'s column has 0 or 1',
    );
  });

  test('a list with something else', async () => {
    const lists = rows('bad.jsonl', ['{"text": "one", "y": ["a", null]}'], { labelColumn: 'y' });
    expect(await refused(lists)).toBe(
      'bad.jsonl: line 1: "y" is a list with null; it must be a text, a number or a boolean',
    );
    expect(await refused({ ...FORMS['lists of JSON lines'], problem: 'single-label' })).toBe(
      'lists.jsonl: line 1: "y" is a list; it must be a text, a number or a boolean; lists need --problem tokens or multi-label',
    );
  });

  test('flags that contradict each other', async () => {
    const given = FORMS['a column for each label'];
    expect(await refused({ ...given, problem: undefined })).toBe(
      'columns.csv: --label-columns needs --problem multi-label; the problem is single-label',
    );
    expect(await refused({ ...given, labelColumn: 'joy' })).toBe(
      'columns.csv: --label-column and --label-columns are given; keep one of them',
    );
    expect(await refused({ ...given, labelSeparator: ',' })).toMatch(/--label-separator is for --label-column/);
    expect(await refused({ ...given, labelColumns: ['joy', 'fera'] })).toMatch(
      /no column "fera" in the header .*; did you mean "fear"\?/,
    );
  });

  test('rows without any label, and a label that the training rows lack', async () => {
    const none = await readDataset(columns('0,0'), 'labels');
    expect(() => fitLabels({ ...none, labels: [[], []] })).toThrow(
      'bad.csv: none of the 2 rows has a label; at least one is needed',
    );
    expect(() => encodeLabels(none, { problem: 'multi-label', names: ['a'] })).toThrow(
      'bad.csv: row 0 has the label "b"; the training rows have "a"',
    );
    const listed = await readDataset(FORMS['joined texts of a TSV'], 'labels');
    expect(() => encodeLabels(listed, { problem: 'multi-label', names: ['anger', 'joy'] })).toThrow(
      'joined.tsv: row 2 has the label "fear" in the column "y"; the training rows have "anger", "joy"',
    );
  });
});

describe('relevance', () => {
  const pairs = (label: string): DataSource => ({
    ...rows('pairs.tsv', ['q\ta\ty', 'x\tone\t1', 'y\ttwo\t0.5', `x\tthree\t${label}`], { labelColumn: 'y' }),
    textColumns: ['q', 'a'],
    problem: 'relevance',
  });

  test('rows with the same first text are one query', async () => {
    const dataset = await readDataset(pairs('0'), 'labels');
    const labels = fitLabels(dataset);
    expect(labels).toEqual({ problem: 'relevance', names: [] });
    const targets = encodeLabels(dataset, labels);
    expect(targets).toEqual([
      { query: 0, relevance: 1 },
      { query: 1, relevance: 0.5 },
      { query: 0, relevance: 0 },
    ]);
    expect(strataOf(targets, labels)).toEqual({ of: [1, 1, 1], units: [0, 1, 0] });
  });

  test('a label that is no number from 0 to 1, and a single text', async () => {
    for (const label of ['good', '2', '-0.1']) {
      await expect(readDataset(pairs(label), 'labels')).rejects.toThrow(
        `pairs.tsv: row 2 (line 4) has "${label}" in the column "y"; a relevance is a number from 0 to 1`,
      );
    }
    await expect(readDataset({ ...pairs('0'), textColumns: ['q'] }, 'labels')).rejects.toThrow(
      'pairs.tsv: the problem relevance needs pairs; give two text columns',
    );
  });
});
