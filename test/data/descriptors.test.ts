import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { NamedFile } from '../../data/bytes';
import { csvRecords } from '../../data/csv';
import { tsvRecords } from '../../data/delimited';
import { jsonRecords } from '../../data/jsonl';
import { parquetRecords } from '../../data/parquet';
import { textRecords } from '../../data/plain-text';
import { checkColumns } from '../../data/read';
import type { Pass, Records } from '../../data/records';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-descriptors-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** Descriptors of this process that refer to files in the folder. */
const open = () =>
  fs.readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(folder);
    } catch {
      return false; // the descriptor of the listing itself
    }
  }).length;

const parquet = fs.readFileSync(path.join(__dirname, '../fixtures/formats/rows.snappy.parquet'));
/** Content longer than one read, 256 KiB, in few lines. */
const lines = (line: (i: number) => string) => Array.from({ length: 60 }, (_, i) => line(i)).join('');
const words = 'some words '.repeat(450);
const tsv = `text\tlabel\n${lines((i) => `${words}\t${i}\n`)}`;
const csv = `text,label\n${lines((i) => `"${words}",${i}\n`)}`;
const jsonl = lines((i) => `{"text":"${words}","label":${i}}\n`);

const FORMATS: [
  name: string,
  Reader: (source: NamedFile, pass: Pass) => Records,
  good: string | Buffer,
  bad: string | Buffer,
][] = [
  ['rows.tsv', tsvRecords, tsv, Buffer.from(`text\n${'x\n'.repeat(9)}\xe9\n`, 'latin1')],
  ['rows.csv', csvRecords, csv, 'text\n"x" y\n'],
  ['rows.jsonl', jsonRecords, jsonl, '{"text":"x"}\n{'],
  ['rows.txt', textRecords, tsv, Buffer.from('caf\xe9\n', 'latin1')],
  ['rows.csv.gz', csvRecords, gzipSync(csv), gzipSync(csv).subarray(0, 300)],
  ['rows.parquet', parquetRecords, parquet, parquet.subarray(0, 9000)],
];

describe.each(FORMATS)('%s', (name, reader, good, bad) => {
  const [whole, broken] = [path.join(folder, name), path.join(folder, `broken-${name}`)];
  fs.writeFileSync(whole, good);
  fs.writeFileSync(broken, bad);

  it('leaves no descriptor open after a thousand readers', async () => {
    const before = open();
    let failed = 0;
    for (let i = 0; i < 500; i++) {
      // One reader never starts, one stops after its first records, one fails.
      reader({ path: whole }, {});
      for await (const records of reader({ path: whole }, {})) if (records.length > 0) break;
      try {
        for await (const _ of reader({ path: broken }, { columns: [0] }));
      } catch {
        failed++;
      }
    }
    expect(failed).toBe(500);
    expect(open()).toBe(before);
    for await (const _ of reader({ path: whole }, { columns: [0] }));
    expect(open()).toBe(before);
  });
});

it('leaves no descriptor open after checks of the columns', async () => {
  const before = open();
  for (const name of ['rows.tsv', 'rows.csv', 'rows.jsonl', 'rows.parquet']) {
    for (let i = 0; i < 50; i++) await checkColumns({ path: path.join(folder, name), textColumns: ['text'] }, 'texts');
  }
  expect(open()).toBe(before);
});
