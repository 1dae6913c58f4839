import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import fc from 'fast-check';
import { type DelimitedFormat, formatOf, readDelimited } from '../../data/delimited';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-delimited-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const write = (name: string, content: string | Buffer) => {
  const file = path.join(folder, name);
  fs.writeFileSync(file, content);
  return file;
};

const read = (content: string | Buffer, format: DelimitedFormat) => {
  const { records } = readDelimited(write(`rows.${format}`, content), format);
  return records.map((record) => Array.from({ length: record.width }, (_, at) => record.field(at)));
};

const lines = (content: string, format: DelimitedFormat) =>
  readDelimited(write(`rows.${format}`, content), format).records.map(({ line }) => line);

describe('TSV', () => {
  it('takes quotes literally', () => {
    expect(read('a\tb\n"x\t"y" z\n\'\t""\n', 'tsv')).toEqual([
      ['a', 'b'],
      ['"x', '"y" z'],
      ["'", '""'],
    ]);
  });

  it('drops a byte order mark and the CR of CRLF, and needs no line end at the end', () => {
    const rows = [
      ['a', 'b'],
      ['x', 'y'],
    ];
    for (const text of ['a\tb\nx\ty', 'a\tb\r\nx\ty\r\n', '\ufeffa\tb\nx\ty\n', 'a\tb\nx\ty\n\n\r\n']) {
      expect(read(text, 'tsv')).toEqual(rows);
    }
  });

  it('keeps empty fields, blank lines inside, other scripts and a CR within a field', () => {
    expect(read('a\t\tc\n\n\t\t\nä\t日本\t😀\nx\ry\tz\tw\n', 'tsv')).toEqual([
      ['a', '', 'c'],
      [''],
      ['', '', ''],
      ['ä', '日本', '😀'],
      ['x\ry', 'z', 'w'],
    ]);
  });

  it('reads back whatever fields were written', () => {
    const field = fc.string({ unit: 'binary' }).map((text) => text.replace(/[\t\r\n]/g, ' '));
    const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(table, fc.constantFrom('\n', '\r\n'), (rows, end) => {
        const content = rows.map((row) => row.join('\t') + end).join('');
        // A byte order mark at the start of the first field would be taken for the file's own.
        fc.pre(!content.startsWith('\ufeff'));
        expect(read(content, 'tsv')).toEqual(rows);
      }),
    );
  });

  it('numbers the lines from 1', () => expect(lines('a\tb\n\nx\ty\n', 'tsv')).toEqual([1, 2, 3]));
});

describe('CSV', () => {
  it('reads RFC 4180: quoted commas, doubled quotes, fields over several lines', () => {
    expect(read('text,label\r\n"one, ""two""\nthree",1\r\nplain,0\r\n', 'csv')).toEqual([
      ['text', 'label'],
      ['one, "two"\nthree', '1'],
      ['plain', '0'],
    ]);
  });

  it('drops a byte order mark, before a quote too', () => {
    expect(read('\ufeff"a",b\nx,y\n', 'csv')).toEqual([
      ['a', 'b'],
      ['x', 'y'],
    ]);
  });

  it('tells the line where a record starts', () => {
    expect(lines('a,b\n"x\ny\nz",1\nw,2\n', 'csv')).toEqual([1, 2, 5]);
  });

  it('says in one line what is not well-formed, and where', () => {
    const message = (content: string) => {
      try {
        read(content, 'csv');
      } catch (error) {
        return (error as Error).message;
      }
      throw new Error('was read');
    };
    expect(message('a,b\n"never closed,1\n')).toMatch(/rows\.csv: not RFC 4180: .*quote.* line \d/i);
    expect(message('a,b\nsay "hi",1\n')).toMatch(/rows\.csv: not RFC 4180: .*line 2/i);
    expect(message('a,b\n"never closed,1\n')).not.toContain('\n');
  });
});

describe('the file', () => {
  it('is hashed over its bytes, byte order mark and all', () => {
    const bytes = Buffer.from('\ufeffa\tb\r\nx\ty\r\n');
    const file = readDelimited(write('hash.tsv', bytes), 'tsv');
    expect(file.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('is told by its extension, or by the caller', () => {
    expect(['a.csv', 'A.CSV', 'a.tsv', 'a.txt', 'a.tab'].map((name) => formatOf(name))).toEqual(
      'csv csv tsv tsv tsv'.split(' '),
    );
    expect(() => formatOf('rows.xlsx')).toThrow(/rows\.xlsx.*--format tsv\|csv/);
  });

  it('names the nearest file when there is none', () => {
    write('train.tsv', 'a\n1\n');
    expect(() => readDelimited(path.join(folder, 'trian.tsv'), 'tsv')).toThrow(
      /trian\.tsv: no such file; did you mean "train\.tsv"\?/,
    );
    expect(() => readDelimited(path.join(folder, 'no', 'such', 'x.tsv'), 'tsv')).toThrow(/no such file$/);
    expect(() => readDelimited(folder, 'tsv')).toThrow(/is a folder/);
  });

  it.each([
    ['tsv', ''],
    ['tsv', '\ufeff'],
    ['tsv', '\n \r\n\n'],
    ['csv', ''],
    ['csv', '\n\n'],
  ] as const)('is refused when it is empty (%s, %j)', (format, content) => {
    expect(() => read(content, format)).toThrow(/the file is empty/);
  });

  it.each(['tsv', 'csv'] as const)('is refused when it is not UTF-8, naming the line (%s)', (format) => {
    const latin = Buffer.concat([Buffer.from('a,b\nx,1\ncaf'), Buffer.from([0xe9]), Buffer.from(',1\n')]);
    expect(() => read(latin, format)).toThrow(/line 3 is not UTF-8/);
    expect(() => read(Buffer.from('\ufeffa,b\n', 'utf16le'), format)).toThrow(/line 1 is not UTF-8/);
    // A character cut off by the end of the file.
    expect(() => read(Buffer.from('a,b\nx,é').subarray(0, -1), format)).toThrow(/line 2 is not UTF-8/);
  });
});
