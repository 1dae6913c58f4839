import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { gzipSync } from 'node:zlib';
import { encodeRows } from '../../data/batches';
import { type DataSource, rowName, rowNumber, selectRows } from '../../data/dataset';
import { filesOf } from '../../data/files';
import { encodeLabels, fitLabels } from '../../data/labels';
import { checkColumns, drawRows, readDataset } from '../../data/read';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-files-'));
afterAll(() => fs.rmSync(root, { recursive: true }));

let folders = 0;
/** Creates a folder of files and returns its path. */
function folderOf(files: Record<string, string | Buffer>): string {
  const folder = path.join(root, `folder-${folders++}`);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }
  return folder;
}

const COLUMNS = { textColumns: ['text'], labelColumn: 'label' };
const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');

const refusal = async (source: DataSource) => {
  const error: Error = await readDataset(source, 'labels').then(
    () => expect('was read').toBe('refused') as never,
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code: 'INVALID_INPUT' });
  return error.message.replaceAll(root, '');
};

const PARQUET = fs.readFileSync(path.join(__dirname, '../fixtures/formats/rows.snappy.parquet'));

it.each([
  ['csv', 'text,label\r\na,0\r\n', 'label,text\n1,b\n1,c\n'],
  ['tsv', 'text\tlabel\na\t0\n', 'label\ttext\n1\tb\n1\tc\n'],
  ['jsonl', '{"text":"a","label":0}\n', '{"label":1,"text":"b"}\n{"label":1,"text":"c"}\n'],
  ['csv.gz', gzipSync('text,label\na,0\n'), gzipSync('label,text\n1,b\n1,c\n')],
])('reads a folder of %s files by name, each by its own header', async (extension, first, second) => {
  const folder = folderOf({ [`part-1.${extension}`]: second, [`part-0.${extension}`]: first });
  const dataset = await readDataset({ path: folder, ...COLUMNS }, 'labels');
  expect(dataset).toMatchObject({ path: folder, rows: 3, texts: ['a', 'b', 'c'], labels: ['0', '1', '1'] });
  // The order of the flags decides.
  const named = (name: string) => path.join(folder, `${name}.${extension}`);
  const given = { path: named('part-1'), more: [{ path: named('part-0') }], ...COLUMNS };
  const reversed = await readDataset(given, 'labels');
  expect(reversed).toMatchObject({ path: `${named('part-1')} and 1 more file`, texts: ['b', 'c', 'a'] });

  expect(dataset.sha256).toBe(sha256(`${sha256(first)}\n${sha256(second)}`));
  expect(reversed.sha256).toBe(sha256(`${sha256(second)}\n${sha256(first)}`));
  const alone = await readDataset({ path: folderOf({ [`x.${extension}`]: first }), ...COLUMNS }, 'labels');
  expect(alone.sha256).toBe(sha256(first));
});

it('reads a folder of Parquet shards, and a folder of plain texts', async () => {
  const shards = folderOf({ 'train-00001-of-00002.parquet': PARQUET, 'train-00000-of-00002.parquet': PARQUET });
  const dataset = await readDataset({ path: shards, textColumns: ['text'], labelColumn: 'class' }, 'labels');
  expect(dataset.rows).toBe(80);
  expect(dataset.texts.slice(40)).toEqual(dataset.texts.slice(0, 40));
  expect(rowName(dataset, 41)).toBe(`${shards}/train-00001-of-00002.parquet: row 1`);
  const texts = folderOf({ 'a.txt': 'one\ntwo\n', 'b.txt': 'three\n' });
  expect((await readDataset({ path: texts }, 'texts')).texts).toEqual(['one', 'two', 'three']);
});

it('skips hidden files, marker files of other tools, folders and files of no format', async () => {
  const folder = folderOf({
    'b.csv': 'text,label\nb,1\n',
    'a.csv': 'text,label\na,0\n',
    '.a.csv.crc': 'x',
    _SUCCESS: '',
    '_metadata.csv': 'x',
    'README.md': '# rows',
    'more/c.csv': 'text,label\nc,1\n',
  });
  const names = (source: DataSource) => filesOf(source).map((file) => path.basename(file.path));
  expect(names({ path: folder })).toEqual(['a.csv', 'b.csv']);
  // A given format applies to all files: none is skipped by its name.
  expect(names({ path: folder, format: 'csv' })).toEqual(['README.md', 'a.csv', 'b.csv']);
});

it('draws from several files, with row numbers that continue from file to file', async () => {
  const part = (from: number) =>
    `text,label\n${Array.from({ length: 10 }, (_, i) => `row ${from + i},${i % 2}\n`).join('')}`;
  const folder = folderOf({ 'a.csv': part(0), 'b.csv': 'text,label\n', 'c.csv': part(10) });
  const draw = () => Int32Array.from([15, 3, 10, 19]);
  const { dataset, available } = await drawRows({ path: folder, ...COLUMNS }, 'labels', draw);
  expect(available).toBe(20);
  expect(dataset.texts).toEqual(['row 15', 'row 3', 'row 10', 'row 19']);
  expect([0, 1, 2, 3].map((i) => rowNumber(dataset, i))).toEqual([15, 3, 10, 19]);
  expect(rowName(dataset, 0)).toBe(`${folder}/c.csv: row 5`);
  expect(rowName(selectRows(dataset, [1]), 0)).toBe(`${folder}/a.csv: row 3`);
});

it('names the file of an error, and the row in it', async () => {
  const good = 'text,label\na,0\nb,1\n';
  const at = (second: string) => ({ path: folderOf({ 'a.csv': good, 'b.csv': second }), ...COLUMNS });
  expect(await refusal(at('text,label\nc,0\n,1\n'))).toMatch(
    /\/b\.csv: row 1 \(line 3\) has nothing in the column "text"/,
  );
  expect(await refusal(at('text,lable\nc,0\n'))).toMatch(/\/b\.csv: no column "label" .* did you mean "lable"\?$/);
  expect(await refusal(at(''))).toMatch(/\/b\.csv: the file is empty$/);
  expect(await refusal(at('text,label\n"c,0\n'))).toMatch(/\/b\.csv: not RFC 4180/);
  await expect(checkColumns(at('text\nc\n'), 'labels')).rejects.toThrow(/b\.csv: no column "label"/);

  const dataset = await readDataset(at('text,label\nc,x\n'), 'labels');
  expect(() => encodeLabels(dataset, { problem: 'single-label', names: ['0', '1'] })).toThrow(
    /\/b\.csv: row 0 has the label "x"/,
  );
  expect(fitLabels(dataset)).toEqual({ problem: 'single-label', names: ['0', '1', 'x'] });
  const nothing = { encode: () => ({ ids: [], typeIds: [] }) };
  expect(() => encodeRows(dataset, [2], nothing, 8, { vocabSize: 1, typeVocabSize: 0 })).toThrow(
    /\/b\.csv: row 0 gives no tokens/,
  );
});

it('refuses files of two formats, a folder without files, and a file without rows', async () => {
  const two = folderOf({ 'a.csv': 'text,label\na,0\n', 'b.tsv': 'text\tlabel\nb\t1\n' });
  expect(await refusal({ path: two, ...COLUMNS })).toMatch(
    /^\/folder-\d+\/b\.tsv is tsv, \/folder-\d+\/a\.csv is csv; files that are read together must have one format$/,
  );
  expect(await refusal({ path: folderOf({ 'more/a.csv': 'x' }), ...COLUMNS })).toMatch(
    /is a folder and holds no file with a name that ends in \.tsv, \.csv, \.jsonl, \.parquet, \.txt, \.conll; give a file, or the folder/,
  );
  expect(await refusal({ path: folderOf({ 'a.csv': 'text,label\n' }), ...COLUMNS })).toMatch(
    /: there is a header but no row$/,
  );
  const missing = { path: path.join(two, 'a.csv'), more: [{ path: path.join(two, 'aa.csv') }], ...COLUMNS };
  expect(await refusal(missing)).toMatch(/\/aa\.csv: no such file; did you mean "a\.csv"\?$/);
});
