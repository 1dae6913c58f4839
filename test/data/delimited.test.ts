import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import fc from 'fast-check';
import { csvRecords } from '../../data/csv';
import { tsvRecords } from '../../data/delimited';
import type { TableRecord } from '../../data/records';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-delimited-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const READERS = { tsv: tsvRecords, csv: csvRecords };
type Delimited = keyof typeof READERS;

async function records(content: string | Buffer, format: Delimited): Promise<TableRecord[]> {
  const file = path.join(folder, `rows.${format}`);
  fs.writeFileSync(file, content);
  const all: TableRecord[] = [];
  for await (const some of READERS[format]({ path: file }, {})) all.push(...some);
  return all;
}

const read = async (content: string | Buffer, format: Delimited) =>
  (await records(content, format)).map((record) => Array.from({ length: record.width }, (_, at) => record.field(at)));

const lines = async (content: string, format: Delimited) => (await records(content, format)).map(({ line }) => line);

describe('TSV', () => {
  it('takes quotes literally', async () => {
    expect(await read('a\tb\n"x\t"y" z\n\'\t""\n', 'tsv')).toEqual([
      ['a', 'b'],
      ['"x', '"y" z'],
      ["'", '""'],
    ]);
  });

  it('drops a byte order mark and any line end; the final line end may be missing', async () => {
    const rows = [
      ['a', 'b'],
      ['x', 'y'],
    ];
    for (const text of ['a\tb\nx\ty', 'a\tb\r\nx\ty\r\n', '\ufeffa\tb\nx\ty\n', 'a\tb\rx\ty\r']) {
      expect(await read(text, 'tsv')).toEqual(rows);
    }
  });

  it('keeps empty fields, blank lines and other scripts', async () => {
    expect(await read('a\t\tc\n\n\t\t\nä\t日本\t😀\n', 'tsv')).toEqual([
      ['a', '', 'c'],
      [''],
      ['', '', ''],
      ['ä', '日本', '😀'],
    ]);
  });

  it('reads back any fields as written', async () => {
    const field = fc.string({ unit: 'binary' }).map((text) => text.replace(/[\t\r\n]/g, ' '));
    const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom('\n', '\r\n'), async (rows, end) => {
        const content = rows.map((row) => row.join('\t') + end).join('');
        // A byte order mark at the start of the first field would be read as the file's own.
        fc.pre(!content.startsWith('\ufeff'));
        expect(await read(content, 'tsv')).toEqual(rows);
      }),
    );
  });

  it('numbers the lines from 1; a field beyond the last is undefined', async () => {
    expect(await lines('a\tb\n\nx\ty\n', 'tsv')).toEqual([1, 2, 3]);
    expect((await records('a\tb\n', 'tsv'))[0].field(2)).toBeUndefined();
  });
});

describe('CSV', () => {
  it('reads RFC 4180: quoted commas, doubled quotes, fields over several lines', async () => {
    expect(await read('text,label\r\n"one, ""two""\nthree",1\r\nplain,0\r\n', 'csv')).toEqual([
      ['text', 'label'],
      ['one, "two"\nthree', '1'],
      ['plain', '0'],
    ]);
  });

  it('drops a byte order mark, also before a quote', async () => {
    expect(await read('\ufeff"a",b\nx,y\n', 'csv')).toEqual([
      ['a', 'b'],
      ['x', 'y'],
    ]);
  });

  it('knows the line on which a record starts', async () => {
    expect(await lines('a,b\n"x\ny\nz",1\nw,2\n', 'csv')).toEqual([1, 2, 5]);
  });

  it('reports a malformed record in one line, with its place', async () => {
    const message = (content: string) =>
      read(content, 'csv').then(
        () => 'was read',
        (error: Error) => error.message,
      );
    expect(await message('a,b\n"never closed,1\n')).toMatch(/rows\.csv: not RFC 4180: .*quote.* line \d/i);
    expect(await message('a,b\nsay "hi",1\n')).toMatch(/rows\.csv: not RFC 4180: .*line 2/i);
    expect(await message('a,b\n"never closed,1\n')).not.toContain('\n');
  });
});

it.each(['tsv', 'csv'] as const)('is refused if it is not UTF-8, with the line (%s)', async (format) => {
  const latin = Buffer.concat([Buffer.from('a,b\nx,1\ncaf'), Buffer.from([0xe9]), Buffer.from(',1\n')]);
  await expect(read(latin, format)).rejects.toThrow(/line 3 is not UTF-8/);
  await expect(read(Buffer.from('\ufeffa,b\n', 'utf16le'), format)).rejects.toThrow(/line 1 is not UTF-8/);
  // The end of the file truncates a character.
  await expect(read(Buffer.from('a,b\nx,é').subarray(0, -1), format)).rejects.toThrow(/line 2 is not UTF-8/);
});

it.each(['tsv', 'csv'] as const)('reads the same in one chunk and in many (%s)', async (format) => {
  // Three times the chunk size, with a record and a multibyte character across each border.
  const row = (i: number) => [`${i} ${'é😀'.repeat(i % 50)}`, `y${i}`];
  const rows = Array.from({ length: 10_000 }, (_, i) => row(i));
  const content = rows.map((each) => `${each.join(format === 'tsv' ? '\t' : ',')}\n`).join('');
  expect(Buffer.byteLength(content)).toBeGreaterThan(3 * 2 ** 18);
  expect(await read(content, format)).toEqual(rows);
  expect(await lines(content, format)).toEqual(rows.map((_, i) => i + 1));
});
