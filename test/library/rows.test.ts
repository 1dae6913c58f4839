import * as fs from 'node:fs';
import * as os from 'node:os';
import type { DataSource, Dataset } from '../../data/dataset';
import { readDataset } from '../../data/read';
import { type Rows, type TextRows, withRows } from '../../library/text-rows';

/** Source and dataset that an engine would read. */
async function read(rows: Rows, need: 'labels' | 'texts' = 'texts'): Promise<{ source: DataSource; dataset: Dataset }> {
  const reading = withRows({ train: rows }, async function* ({ train }) {
    yield train;
    return { source: train, dataset: await readDataset(train, need) };
  });
  await reading.next();
  const { value } = await reading.next();
  return value as { source: DataSource; dataset: Dataset };
}

const left = () => fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('hifi-rows-'));

test('texts of any content arrive unchanged', async () => {
  const texts = ['plain', 'a\ttab and a "quote"', 'two\nlines', ' spaces ', 'ä 💡 \u2028 \\u0041'];
  const { dataset, source } = await read({ texts });
  expect(dataset.texts).toEqual(texts);
  expect(dataset.labels).toBeUndefined();
  expect(source.path).toBe('train');
  expect((await read({ texts })).dataset.sha256).toBe(dataset.sha256);
});

test('pairs, class labels and numbers arrive unchanged', async () => {
  const texts: [string, string][] = [
    ['a', 'b'],
    ['c', 'd'],
  ];
  const pairs = await read({ texts, labels: ['yes', 'no'] }, 'labels');
  expect(pairs.dataset).toMatchObject({ texts: ['a', 'c'], seconds: ['b', 'd'], labels: ['yes', 'no'] });
  for (const named of [{ problem: 'regression' }, { regression: true }] as const) {
    const numbers = await read({ texts, labels: [0, 2.5], ...named }, 'labels');
    expect(numbers.dataset).toMatchObject({ labels: ['0', '2.5'], problem: 'regression' });
  }
});

test('rows of a file pass unchanged', async () => {
  const source: DataSource = { path: 'rows.tsv', task: 'cola' };
  const reading = withRows({ data: source, dev: undefined }, async function* (rows) {
    yield rows;
  });
  expect((await reading.next()).value).toEqual({ data: source, dev: undefined });
});

test('temporary files are removed however the work ends', async () => {
  const before = left();
  await read({ texts: ['a'] });
  const failing = withRows({ data: { texts: ['a'] } }, async function* ({ data }) {
    yield fs.existsSync(data.file!);
    throw new Error('no');
  });
  expect((await failing.next()).value).toBe(true);
  await expect(failing.next()).rejects.toThrow('no');
  const leaving = withRows({ data: { texts: ['a'] } }, async function* () {
    yield 1;
    yield 2;
  });
  await leaving.next();
  await leaving.return(undefined as never);
  expect(left()).toEqual(before);
});

const bad: [string, unknown, string, string][] = [
  ['nothing', null, 'train', 'train is null; it must be { path, … } of a file or { texts, … }'],
  ['a bare list', ['a'], 'train', 'train is ["a"]; it must be { path, … } of a file or { texts, … }'],
  ['no text', { texts: [] }, 'train.texts', 'train.texts is []; it must be a list of at least one text'],
  ['no list', { texts: 'a' }, 'train.texts', 'train.texts is "a"; it must be a list of at least one text'],
  ['a number', { texts: ['a', 1] }, 'train.texts', 'train.texts[1] is 1; it must be a text'],
  [
    'a pair short',
    { texts: [['a', 'b'], ['c']] },
    'train.texts',
    'train.texts[1] is ["c"]; it must be a pair of texts',
  ],
  [
    'too few labels',
    { texts: ['a', 'b'], labels: ['x'] },
    'train.labels',
    'train.labels has 1 entries, train.texts 2; each row must have one label',
  ],
  [
    'a label that is none',
    { texts: ['a'], labels: [Number.NaN] },
    'train.labels',
    'train.labels[0] is NaN; it must be a text, a number or a list of texts',
  ],
];
test.each(bad)('bad rows are INVALID_INPUT with their place: %s', async (_, rows, field, message) => {
  await expect(read(rows as TextRows)).rejects.toMatchObject({ code: 'INVALID_INPUT', field, message });
});
