import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import { readDataset } from '../../data/read';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-layout-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

let files = 0;
const refusal = async (name: string, content: string, more: Partial<DataSource> = {}) => {
  const file = path.join(folder, `${files++}-${name}`);
  fs.writeFileSync(file, content);
  const read = readDataset({ path: file, textColumns: ['text'], labelColumn: 'label', ...more }, 'labels');
  const error: Error = await read.then(
    () => expect('was read').toBe('refused') as never,
    (thrown) => thrown,
  );
  return error.message.slice(file.length + 2);
};

it.each([
  ['rows.csv', 'text;label\na;0\n', {}, '("text;label"); it looks separated by ";": give --delimiter ";"'],
  ['rows.csv', 'text|label\na|0\n', {}, '("text|label"); it looks separated by "|": give --delimiter "|"'],
  ['rows.csv', 'text\tlabel\na\t0\n', {}, '("text\\tlabel"); it looks separated by "\\t": give --format tsv'],
  ['rows.tsv', 'text,label\na,0\n', {}, '("text,label"); it looks separated by ",": give --format csv'],
  [
    'rows.tsv',
    '"text";"label"\n"a";"0"\n',
    {},
    '("\\"text\\";\\"label\\""); it looks separated by ";": give --format csv --delimiter ";"',
  ],
  [
    'rows.csv',
    'text,label\na,0\n',
    { delimiter: ';' },
    '("text,label"); it looks separated by ",": give --delimiter ","',
  ],
  // The other character gives the wanted name, although this one also splits the header.
  [
    'rows.csv',
    'id;text;label, or none\n1;a;0\n',
    {},
    '("id;text;label", "or none"); it looks separated by ";": give --delimiter ";"',
  ],
  ['rows.csv', 'texts,label;x\na,0\n', {}, '("texts", "label;x"); did you mean "texts"?'],
])('suggests the delimiter of a header (%s, %j)', async (name, content, more, found) => {
  expect(await refusal(name, content, more)).toBe(`no column "text" in the header ${found}`);
});

it('reads any given delimiter, with literal quotes in TSV', async () => {
  const file = path.join(folder, 'rows');
  fs.writeFileSync(file, 'text;label\n"a";0\n');
  const texts = async (format: 'csv' | 'tsv') =>
    (await readDataset({ path: file, format, delimiter: ';', textColumns: ['text'] }, 'texts')).texts;
  expect([await texts('csv'), await texts('tsv')]).toEqual([['a'], ['"a"']]);
  expect(await refusal('rows.jsonl', '{"text":"a","label":0}\n', { delimiter: ';' })).toBe(
    '--delimiter ";" is for CSV and TSV; this is jsonl',
  );
});
