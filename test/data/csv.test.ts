import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import fc from 'fast-check';
import { csvRecords } from '../../data/csv';
import { tsvRecords } from '../../data/delimited';
import { jsonRecords } from '../../data/jsonl';
import { textRecords } from '../../data/plain-text';
import type { Pass, TableRecord } from '../../data/records';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-csv-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const READERS = { csv: csvRecords, tsv: tsvRecords, jsonl: jsonRecords, txt: textRecords };

async function records(content: string | Buffer, format: keyof typeof READERS = 'csv', pass: Pass = {}) {
  const file = path.join(folder, `rows.${format}`);
  fs.writeFileSync(file, content);
  const all: TableRecord[] = [];
  for await (const some of READERS[format]({ path: file }, pass)) all.push(...some);
  return all;
}

const fieldsOf = (all: TableRecord[]) =>
  all.map((record) => Array.from({ length: record.width }, (_, at) => record.field(at)));

const read = async (content: string, pass?: Pass) => fieldsOf(await records(content, 'csv', pass));

const message = (content: string, pass?: Pass) =>
  read(content, pass).then(
    () => 'was read',
    (error: Error) => error.message.replace(folder, ''),
  );

/** Random files with the output of Python's csv module; test/fixtures/csv/make.py. */
const GOLDEN: { bytes: string; delimiter: string; rows: string[][] }[] = JSON.parse(
  fs.readFileSync(path.join(__dirname, '../fixtures/csv/golden.json'), 'utf8'),
);

it('reads random files with mixed line ends as Python does', async () => {
  expect(GOLDEN.length).toBeGreaterThan(500);
  for (const { bytes, delimiter, rows } of GOLDEN) {
    // Python gives a blank line no field. hifi gives it an empty one, so that messages can name its
    // row.
    const found = (await read(bytes, { delimiter })).map((row) => (row.length === 1 && row[0] === '' ? [] : row));
    const wanted = rows.map((row) => (row.length === 1 && row[0] === '' ? [] : row));
    expect({ bytes, rows: found }).toEqual({ bytes, rows: wanted });
  }
});

it.each(['csv', 'tsv', 'txt', 'jsonl'] as const)('ends a line at LF, CRLF and CR in any mix (%s)', async (format) => {
  const end = fc.constantFrom('\n', '\r\n', '\r');
  await fc.assert(
    fc.asyncProperty(fc.array(end, { minLength: 1, maxLength: 12 }), async (ends) => {
      const line = (i: number) => (format === 'jsonl' ? `{"text":"row ${i}"}` : `row ${i}`);
      const content = ends.map((each, i) => line(i) + each).join('');
      const all = await records(content, format);
      // The first record has the names.
      const rows = format === 'jsonl' || format === 'txt' ? all.slice(1) : all;
      expect(fieldsOf(rows)).toEqual(ends.map((_, i) => [`row ${i}`]));
      expect(rows.map(({ line }) => line)).toEqual(ends.map((_, i) => i + 1));
    }),
    { numRuns: 60 },
  );
});

it('reads back random fields, quoted or plain, with any delimiter and line end', async () => {
  const field = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('"', ',', ';', '\t', '|', '\r', '\n', 'a', ' ', 'é') }),
  );
  const row = fc.record({
    fields: fc.array(fc.tuple(field, fc.boolean()), { minLength: 2, maxLength: 4 }),
    end: fc.constantFrom('\n', '\r\n', '\r'),
  });
  const written = (text: string, always: boolean, delimiter: string) =>
    always || /["\r\n]/.test(text) || text.includes(delimiter) ? `"${text.replaceAll('"', '""')}"` : text;
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(',', ';', '\t', '|', ' '),
      async (rows, delimiter) => {
        const content = rows
          .map(
            ({ fields, end }) => fields.map(([text, always]) => written(text, always, delimiter)).join(delimiter) + end,
          )
          .join('');
        // A byte order mark at the start would be removed as the file's own.
        fc.pre(!content.startsWith('\ufeff'));
        expect(await read(content, { delimiter })).toEqual(rows.map(({ fields }) => fields.map(([text]) => text)));
      },
    ),
    { numRuns: 80 },
  );
});

it('joins a record across many chunks, wherever a chunk ends', async () => {
  const long = `${'x\r\n"",é\r'.repeat(100_000)}`; // 1 MB in one quoted field
  const text = long.replaceAll('""', '"');
  for (const lead of ['', 'ab']) {
    const all = await records(`${lead},1\r\n"${long}",2\r"y",3\n`);
    expect(fieldsOf(all)).toEqual([
      [lead, '1'],
      [text, '2'],
      ['y', '3'],
    ]);
    expect(all.map(({ line }) => line)).toEqual([1, 2, 2 + 200_000 + 1]);
  }
});

it('does not split a CRLF between two chunks', async () => {
  for (const format of ['csv', 'tsv', 'txt'] as const) {
    const first = 'x'.repeat(2 ** 18 - 1);
    const all = await records(`${first}\r\nsecond\r\n`, format);
    expect(fieldsOf(all).slice(format === 'txt' ? 1 : 0)).toEqual([[first], ['second']]);
    expect(all.at(-1)?.line).toBe(2);
  }
});

it('distinguishes a quoted empty field from a blank line', async () => {
  const all = await records('text\n""\n\n  \n');
  expect(all.map(({ blank }) => blank)).toEqual([false, false, true, true]);
});

it('reports a malformed record with its place and the correct form', async () => {
  expect(await message('a,b\r\nx,"y\rz" w\n')).toBe(
    '/rows.csv: not RFC 4180: line 3: field 2 ("\\"y\\rz\\" ") continues after its closing quote; a quote within a quoted field must be doubled',
  );
  expect(await message('a,b\nsay "hi",1\n')).toBe(
    '/rows.csv: not RFC 4180: line 2: field 1 ("say \\"") has a quote and does not begin with one; such a field must be quoted, and quotes in it doubled (--format tsv takes quotes literally)',
  );
  expect(await message('a,b\n"never closed,1\n')).toBe(
    '/rows.csv: not RFC 4180: a quoted field of the record in line 2 is never closed',
  );
  expect(await message('"text";"label"\n"x";"1"\n')).toMatch(
    /line 1: field 1 .* closing quote; where ";" separates fields, give --delimiter ";"$/,
  );
  expect(await message('a,b\n', { delimiter: '"' })).toMatch(/the delimiter is "\\""; it must be one ASCII character/);
  expect(await message('a,b\n', { delimiter: ';;' })).toMatch(/the delimiter is ";;"/);
});
