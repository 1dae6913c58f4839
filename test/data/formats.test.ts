import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { gzipSync } from 'node:zlib';
import { type DataSource, rowNumber } from '../../data/dataset';
import { drawRows, readDataset } from '../../data/read';
import { drawSample } from '../../data/split';
import { TASKS } from '../../data/tasks';

/*
 * Files that pyarrow and Python's json, csv and gzip wrote (test/fixtures/make_formats.py), and
 * broken files.
 */
const formats = path.join(__dirname, '../fixtures/formats');
const at = (name: string) => path.join(formats, name);
const golden = JSON.parse(fs.readFileSync(at('golden.json'), 'utf8')) as {
  parquet: Record<string, (string | null)[]>;
  jsonl: Record<string, string | boolean>[];
};
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-formats-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

let files = 0;
function write(name: string, content: string | Uint8Array): string {
  const file = path.join(folder, `${files++}-${name}`);
  fs.writeFileSync(file, content);
  return file;
}

/** Values of a column, read as labels. */
const column = async (file: string, labelColumn: string, textColumn = 'text') =>
  (await readDataset({ path: file, textColumns: [textColumn], labelColumn }, 'labels')).labels;

const refusal = (source: DataSource, need: 'labels' | 'texts' = 'labels') =>
  readDataset(source, need).then(
    () => 'was read',
    (error: Error) => {
      expect(error).toMatchObject({ name: 'HifiError', code: 'INVALID_INPUT' });
      expect(error.message).not.toContain('\n');
      expect(error.message.startsWith(`${source.path}: `)).toBe(true);
      return error.message.slice(source.path.length + 2);
    },
  );

describe('Parquet', () => {
  const names = ['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4', 'delta'].map((name) => `rows.${name}.parquet`);

  it.each(names)('%s: every column in all row groups', async (name) => {
    const source = { path: at(name), textColumns: ['text', 'second'], labelColumn: 'class' };
    const dataset = await readDataset(source, 'labels');
    expect(dataset).toMatchObject({ rows: 40, skipped: 0, texts: golden.parquet.text, seconds: golden.parquet.second });
    expect(dataset.labels).toEqual(golden.parquet.class);
    expect(dataset.sha256).toBe(
      createHash('sha256')
        .update(fs.readFileSync(at(name)))
        .digest('hex'),
    );
    for (const other of ['label', 'tiny', 'big', 'float', 'half', 'flag']) {
      expect(await column(at(name), other)).toEqual(golden.parquet[other]);
    }
  });

  it('refuses a row without a value, with its number', async () => {
    const refused = (name: string) => refusal({ path: at(names[1]), textColumns: ['text'], labelColumn: name });
    expect(await refused('null_text')).toBe('row 9 has no value in the column "null_text"');
    expect(await refused('null_int')).toBe('row 30 has no value in the column "null_int"');
    // A column that is not requested may hold anything.
    expect((await readDataset({ path: at(names[1]), textColumns: ['text'] }, 'texts')).rows).toBe(40);
  });

  it('refuses a column of another type, and a missing column', async () => {
    const refused = (name: string) => refusal({ path: at(names[0]), textColumns: [name] }, 'texts');
    const right = 'it must be of texts, whole or decimal numbers, or booleans';
    expect(await refused('when')).toBe(`the column "when" is TIMESTAMP; ${right}`);
    expect(await refused('tags')).toBe(`the column "tags" is nested (LIST); ${right}`);
    expect(await refused('raw')).toBe(`the column "raw" is BYTE_ARRAY; ${right}`);
    expect(await refused('txt')).toMatch(/no column "txt" in the schema \("text", .*\); did you mean "text"\?/);
  });

  it('uses the class names of a Hugging Face schema as labels', async () => {
    const labels = async (source: Partial<DataSource>) =>
      (await readDataset({ path: at('classes.parquet'), textColumns: ['text'], ...source }, 'labels')).labels;
    expect(await labels({ labelColumn: 'label' })).toEqual(['good', 'very bad', 'bad', 'good', 'very bad', 'bad']);
    expect(await labels({ labelColumn: 'stars' })).toEqual(['5', '1', '2', '4', '1', '3']);
    // A regression reads the numbers themselves.
    expect(await labels({ labelColumn: 'label', problem: 'regression' })).toEqual(['2', '0', '1', '2', '0', '1']);
    const missing = { path: at('classes.parquet'), textColumns: ['text'], labelColumn: 'missing' };
    expect(await refusal(missing)).toBe('row 2 has the class -1 in the column "missing"; the schema has 0 to 1');
  });

  it.each(['before 4', 'sequence', 'list'])('uses the class names of a list of classes as labels: %s', async (form) => {
    const words: DataSource = { path: at('words.parquet'), textColumns: ['tokens'], labelColumn: form };
    const labels = [['B-PER', 'O', 'B-PER'], ['B-LOC'], ['O', 'B-LOC']];
    expect((await readDataset({ ...words, problem: 'tokens' }, 'labels')).labels).toEqual(labels);
    const several: DataSource = { ...words, textColumns: ['id'], problem: 'multi-label' };
    expect((await readDataset(several, 'labels')).labels![0]).toEqual(['B-PER', 'O']);
  });

  it('finds a column whose name ends with a space', async () => {
    const source = { path: at('words.parquet'), textColumns: ['id'] };
    expect((await readDataset(source, 'texts')).texts).toEqual(['a', 'b', 'c']);
    const several = { ...source, labelColumn: 'tokens', problem: 'multi-label' as const };
    expect((await readDataset(several, 'labels')).labels![0]).toEqual(['Ada', 'met', 'Alan']);
    const words: DataSource = {
      path: at('words.parquet'),
      textColumns: ['tokens'],
      labelColumn: 'ids',
      problem: 'tokens',
    };
    expect((await readDataset(words, 'labels')).labels).toEqual([['a', 'b', 'c'], ['d'], ['e', 'f']]);
  });

  it('refuses a list with a missing item, with its row', async () => {
    const words: DataSource = { path: at('words.parquet'), textColumns: ['tokens'], problem: 'tokens' };
    const right = 'each item must be a text, a number or a boolean';
    const noText = `row 1 has a list with null in the column "gap"; ${right}`;
    expect(await refusal({ ...words, labelColumn: 'gap' })).toBe(noText);
    expect(await refusal({ ...words, textColumns: ['gap'] }, 'texts')).toBe(noText);
    expect(await refusal({ ...words, labelColumn: 'gap', problem: 'multi-label', textColumns: ['id'] })).toBe(noText);
    expect(await refusal({ ...words, labelColumn: 'nan' })).toBe(
      `row 2 has a list with NaN in the column "nan"; ${right}`,
    );
    // A column that is not requested may hold anything.
    expect((await readDataset(words, 'texts')).words).toEqual([['Ada', 'met', 'Alan'], ['Paris'], ['in', 'Oslo']]);
  });

  it('refuses another file, and one that is truncated, damaged, empty or without rows', async () => {
    const bytes = fs.readFileSync(at(names[1]));
    const refused = (content: string | Uint8Array) =>
      refusal({ path: write('rows.parquet', content), textColumns: ['text'] }, 'texts');
    expect(await refused('text\tlabel\nsome words\t1\n')).toMatch(/^is not a Parquet file, or is damaged/);
    expect(await refused('x')).toMatch(/^is not a Parquet file/);
    expect(await refused(bytes.subarray(0, bytes.length - 100))).toMatch(/^is not a Parquet file/);
    expect(await refused(gzipSync(bytes))).toMatch(/^is not a Parquet file/);
    expect(await refused(Buffer.from(bytes).fill(0xff, 4, 1000))).toMatch(/^is not a Parquet file, or is damaged/);
    expect(await refused('')).toBe('the file is empty');
    const none = { path: at('no-rows.parquet'), textColumns: ['text'] };
    expect(await refusal(none, 'texts')).toBe('there are columns but no row');
  });
});

describe('JSONL', () => {
  const wellFormed = (value: string | boolean) => String(value).replace(/\p{Surrogate}/gu, '\ufffd');

  it.each(['rows.jsonl', 'rows.jsonl.gz'])('%s: numbers and words as written in the line', async (name) => {
    const expected = (key: string) => golden.jsonl.map((row) => wellFormed(row[key]));
    const source = { path: at(name), textColumns: ['text', 'second'], labelColumn: 'class' };
    const dataset = await readDataset(source, 'labels');
    expect(dataset).toMatchObject({ texts: expected('text'), seconds: expected('second'), labels: expected('class') });
    for (const other of ['label', 'float', 'flag']) expect(await column(at(name), other)).toEqual(expected(other));
    expect(expected('label').slice(-2)).toEqual(['1.0', '12345678901234567890']);
    expect(expected('text').at(-2)).toBe('half \ufffd a pair');
    expect(dataset.sha256).toBe(
      createHash('sha256')
        .update(fs.readFileSync(at(name)))
        .digest('hex'),
    );
  });

  it('skips blank lines, which are no rows, and a byte order mark', async () => {
    const path = write('rows.jsonl', '\ufeff\n{"text":"a","y":true}\r\n\n  \n{"y":false,"text":"b"}');
    const dataset = await readDataset({ path, textColumns: ['text'], labelColumn: 'y' }, 'labels');
    expect(dataset).toMatchObject({ texts: ['a', 'b'], labels: ['true', 'false'], rows: 2 });
  });

  it('takes the last value of a repeated key', async () => {
    const file = write('rows.jsonl', '{"text":"a","y":1,"z":{"y":2},"\\u0079":3.0}\n');
    expect(await column(file, 'y')).toEqual(['3.0']);
  });

  it('lists: numbers and words as written in the line', async () => {
    const y = '[9007199254740993,"1.0", 1.0 ,true]';
    const path = write(
      'rows.jsonl',
      `{"y":[7.0],"z":{"y":[8.0]},"words":[1e2,"a, [b]",7.50,-0],"y":${y},"text":"a","end":[3]}\n`,
    );
    const words = await readDataset({ path, textColumns: ['words'], labelColumn: 'y', problem: 'tokens' }, 'labels');
    expect(words).toMatchObject({
      words: [['1e2', 'a, [b]', '7.50', '-0']],
      labels: [['9007199254740993', '1.0', '1.0', 'true']],
    });
    const source: DataSource = { path, textColumns: ['text'], labelColumn: 'y', problem: 'multi-label' };
    expect((await readDataset(source, 'labels')).labels).toEqual([['9007199254740993', '1.0', 'true']]);
  });

  it("refuses a line that is no object, and a value that is no text, with the line's number", async () => {
    const refused = (content: string) =>
      refusal({ path: write('rows.jsonl', content), textColumns: ['text'], labelColumn: 'y' });
    const good = '{"text": "a", "y": 1}\n';
    expect(await refused(`${good}\n[1, 2]\n`)).toBe(
      'line 3 is a list, not an object; JSON Lines has one object per line',
    );
    expect(await refused('[\n{"text": "a"}\n]\n')).toMatch(/^line 1 is not JSON .*one object per line$/);
    expect(await refused(`${good}{"text": "a", "y": NaN}\n`)).toMatch(/^line 2 is not JSON/);
    expect(await refused(`${good}"words"\n`)).toMatch(/^line 2 is a string, not an object/);
    expect(await refused(`${good}null\n`)).toMatch(/^line 2 is null/);
    expect(await refused(`${good}{"text": ["a"], "y": 1}\n`)).toBe(
      'line 2: "text" is a list; it must be a text, a number or a boolean; lists need --problem tokens or multi-label',
    );
    expect(await refused(`${good}{"text": "a", "y": {"is": 1}}\n`)).toMatch(/^line 2: "y" is an object/);
    expect(await refused(`${good}{"text": "a"}\n`)).toBe('row 1 (line 2) has no value in the column "y"');
    expect(await refused(`${good}{"text": null, "y": 1}\n`)).toBe('row 1 (line 2) has no value in the column "text"');
    expect(await refused(`${good}{"text": " ", "y": 1}\n`)).toMatch(
      /^row 1 \(line 2\) has nothing in the column "text"/,
    );
    expect(await refused('{"txt": "a", "y": 1}\n')).toBe(
      'no column "text" in the first object ("txt", "y"); did you mean "txt"?',
    );
    expect(await refused('{"toString": "a", "y": 1}\n')).toMatch(/^no column "text"/);
    expect(await refused('\n \n')).toBe('the file is empty');
  });
});

describe('plain text', () => {
  it('has one text per line; blank lines are skipped', async () => {
    const path = write('rows.txt', 'one\ttab "quoted"\r\n\n  two \n\n\nthree');
    const dataset = await readDataset({ path }, 'texts');
    expect(dataset).toMatchObject({
      texts: ['one\ttab "quoted"', '  two ', 'three'],
      rows: 3,
      problem: 'single-label',
    });
    expect(dataset.labels).toBeUndefined();
  });

  it('has no labels, no columns and no task', async () => {
    const path = write('rows.txt', 'text\tlabel\na\t1\n');
    expect(await refusal({ path })).toMatch(/^a plain text has no labels; give a TSV, CSV, JSONL or Parquet file/);
    expect(await refusal({ path, textColumns: ['text'] }, 'texts')).toMatch(/no columns.*--format tsv/);
    expect(await refusal({ path, task: 'sst2' }, 'texts')).toMatch(/no task; --format tsv/);
    expect((await readDataset({ path, format: 'tsv', textColumns: ['text'] }, 'texts')).texts).toEqual(['a']);
    expect(await refusal({ path: write('rows.txt', '\n\n') }, 'texts')).toBe('the file is empty');
  });
});

describe('gzip', () => {
  it("is unpacked: Python's files with one member and with two", async () => {
    const { text, second, label } = golden.parquet;
    const csv = { path: at('rows.csv.gz'), textColumns: ['text', 'second'], labelColumn: 'label' };
    expect(await readDataset(csv, 'labels')).toMatchObject({ texts: text, seconds: second, labels: label });
    const tsv = { path: at('rows.tsv.gz'), textColumns: ['text'], labelColumn: 'label' };
    expect(await readDataset(tsv, 'labels')).toMatchObject({ texts: text, labels: label });
    expect(await readDataset({ path: at('rows.txt.gz') }, 'texts')).toMatchObject({ texts: text });
  });

  it('is recognised by its first bytes, whatever the name', async () => {
    const path = write('rows.tsv', fs.readFileSync(at('rows.tsv.gz')));
    expect((await readDataset({ path, textColumns: ['text'] }, 'texts')).texts).toEqual(golden.parquet.text);
  });

  it('refuses a file that is truncated, damaged, not gzipped or empty inside', async () => {
    const bytes = gzipSync(`text\n${'some words\n'.repeat(100_000)}`);
    const refused = (content: string | Uint8Array, name = 'rows.tsv.gz') =>
      refusal({ path: write(name, content), textColumns: ['text'] }, 'texts');
    expect(await refused(bytes.subarray(0, bytes.length - 20))).toBe('the gzip file is truncated');
    expect(await refused(bytes.subarray(0, 5))).toBe('the gzip file is truncated');
    const damaged = Buffer.from(bytes);
    damaged[bytes.length - 6] ^= 1; // in the checksum
    expect(await refused(damaged)).toMatch(/^the gzip file is damaged \(.*data check/);
    expect(await refused('text\nwords\n')).toBe('is named .gz but is not gzipped');
    expect(await refused('')).toBe('the file is empty');
    expect(await refused(gzipSync(''))).toBe('the file is empty');
    expect(await refused(gzipSync(Buffer.from('text\nca\xe9\n', 'latin1')))).toMatch(/^line 2 is not UTF-8/);
  });
});

describe("GLUE's tasks in the columns of the Hub's dataset", () => {
  it.each(['mnli.jsonl', 'mnli.parquet'])('%s: class numbers become the classes of the task', async (name) => {
    expect(await readDataset({ path: at(name), task: 'mnli' }, 'labels')).toMatchObject({
      texts: ['p0', 'p1', 'p2', 'p3', 'p4', 'p5'],
      seconds: ['h0', 'h1', 'h2', 'h3', 'h4', 'h5'],
      labels: [0, 1, 2, 0, 1, 2].map((label) => ['entailment', 'neutral', 'contradiction'][label]),
    });
  });

  it.each([
    ['cola', { sentence: 'a', label: 1 }, '1'],
    ['sst2', { sentence: 'a', label: 0 }, '0'],
    ['mrpc', { sentence1: 'a', sentence2: 'b', label: 1 }, '1'],
    ['stsb', { sentence1: 'a', sentence2: 'b', label: 3.8 }, '3.8'],
    ['qqp', { question1: 'a', question2: 'b', label: 1 }, '1'],
    ['qnli', { question: 'a', sentence: 'b', label: 0 }, 'entailment'],
    ['rte', { sentence1: 'a', sentence2: 'b', label: 1 }, 'not_entailment'],
    ['wnli', { sentence1: 'a', sentence2: 'b', label: 1 }, '1'],
    // A file with the benchmark's own names and words.
    ['mnli', { sentence1: 'a', sentence2: 'b', gold_label: 'neutral' }, 'neutral'],
  ] as const)('%s', async (task, row, label) => {
    const path = write(`${task}.jsonl`, `${JSON.stringify({ idx: 0, ...row })}\n`);
    const dataset = await readDataset({ path, task }, 'labels');
    expect(dataset).toMatchObject({ texts: ['a'], labels: [label], problem: TASKS[task].labels.problem });
    expect(dataset.seconds).toEqual('sentence' in row && task !== 'qnli' ? undefined : ['b']);
  });

  it('names the missing columns of such a file', async () => {
    const path = write('mnli.jsonl', '{"premise": "a", "hypothesys": "b", "label": 0}\n');
    expect(await refusal({ path, task: 'mnli' })).toMatch(/no column "hypothesis" .*did you mean "hypothesys"\?/);
    const cola = write('cola.jsonl', '{"text": "a", "label": 0}\n');
    expect(await refusal({ path: cola, task: 'cola' })).toMatch(/no column "sentence" in the first object/);
  });
});

describe('drawRows', () => {
  const rows = Array.from({ length: 3000 }, (_, i) => `sentence ${i}`);
  const path = write('many.tsv', `text\n${rows.join('\n')}\n`);
  const all = { path, textColumns: ['text'] };

  it('returns the drawn rows, in the order drawn', async () => {
    const drawn = drawSample(rows.length, 50, 7);
    const whole = await readDataset(all, 'texts');
    const { dataset, available } = await drawRows(all, 'texts', (count) => drawSample(count, 50, 7));
    expect(available).toBe(3000);
    expect(dataset).toMatchObject({ rows: 50, sha256: whole.sha256, skipped: 0 });
    expect(dataset.texts).toEqual(Array.from(drawn, (row) => whole.texts[row]));
    expect(dataset.rowNumbers).toEqual(drawn);
  });

  it('draws among the usable rows, and reports their numbers in the file', async () => {
    const lines = ['0\tp\tq\tx', '1\tp\tbroken', '2\tp\tq\ty', '3\tp', '4\tp\tq\tz'];
    const file = write('qqp.tsv', `id\tqid1\tquestion1\tquestion2\n${lines.join('\n')}\n`);
    const source = { path: file, task: 'qqp' as const };
    const { dataset, available } = await drawRows(source, 'texts', () => Int32Array.of(2, 0));
    expect({ available, skipped: dataset.skipped }).toEqual({ available: 3, skipped: 2 });
    expect(dataset).toMatchObject({ texts: ['q', 'q'], seconds: ['z', 'x'] });
    expect([0, 1].map((index) => rowNumber(dataset, index))).toEqual([4, 0]);
  });

  it('refuses an invalid row even if it is not drawn', async () => {
    const file = write('bad.tsv', `text\tlabel\n${'words\t1\n'.repeat(100)}only words\n`);
    const source = { path: file, textColumns: ['text'] };
    await expect(drawRows(source, 'texts', () => Int32Array.of(0))).rejects.toThrow(/row 100 \(line 102\)/);
  });

  it('reports a file that changed between its two passes', async () => {
    const file = write('changing.txt', 'a\nb\nc\n');
    const draw = () => {
      fs.writeFileSync(file, 'a\n');
      return Int32Array.of(2);
    };
    await expect(drawRows({ path: file }, 'texts', draw)).rejects.toThrow(
      /changing\.txt: .* changed while it was read/,
    );
  });
});

describe('the file', () => {
  it('names the nearest path for a missing file, and refuses a device or an empty folder', async () => {
    fs.writeFileSync(path.join(folder, 'train.tsv'), 'a\n1\n');
    const refused = (file: string) => refusal({ path: file, textColumns: ['a'], format: 'tsv' }, 'texts');
    expect(await refused(path.join(folder, 'trian.tsv'))).toBe('no such file; did you mean "train.tsv"?');
    expect(await refused(path.join(folder, 'no', 'such', 'x.tsv'))).toBe('no such file');
    const none = fs.mkdtempSync(path.join(folder, 'none-'));
    expect(await refused(none)).toMatch(/^is a folder and holds no file with a name that does not begin with \. or _/);
    expect(await refused('/dev/null')).toMatch(/^is a device; it must be a regular file/);
  });

  it('is hashed with all its bytes, including the byte order mark', async () => {
    const bytes = Buffer.from('\ufeffa\tb\r\nx\ty\r\n');
    const { sha256 } = await readDataset({ path: write('hash.tsv', bytes), textColumns: ['a'] }, 'texts');
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('may be stored at another path than its name', async () => {
    const file = write('spooled', 'one\ntwo\n');
    const source = { path: 'stdin', file, format: 'txt' as const };
    expect(await readDataset(source, 'texts')).toMatchObject({ path: 'stdin', texts: ['one', 'two'] });
    expect(await refusal({ ...source, file: write('spooled', '') }, 'texts')).toBe('the file is empty');
  });

  it.each([
    ['tsv', ''],
    ['tsv', '\ufeff'],
    ['tsv', '\n \r\n\n'],
    ['csv', ''],
    ['csv', '\n\n'],
    ['jsonl', ''],
    ['txt', '\ufeff\n'],
  ] as const)('is refused if it is empty (%s, %j)', async (format, content) => {
    const source = { path: write('empty', content), format, ...(format !== 'txt' && { textColumns: ['a'] }) };
    expect(await refusal(source, 'texts')).toBe('the file is empty');
  });
});
