import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { fixtures } from './spawn';

const hifi = path.join(__dirname, '../../cli/hifi.ts');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-stdin-test-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

const model = path.join(fixtures, 'tiny-bert');
const rows = fs.readFileSync(path.join(fixtures, 'tiny-data/train.tsv'));
const columns = ['--text-columns', 'sentence', '--label-column', 'label'];

/**
 * Runs the command with the input as its standard input, and with its own folder for temporary
 * files.
 */
function given(input: Buffer | string, ...words: string[]) {
  const temporary = fs.mkdtempSync(path.join(scratch, 'tmp-'));
  const env = { ...process.env, TMPDIR: temporary };
  const { status, stdout, stderr } = spawnSync(process.execPath, [hifi, ...words], { input, env, encoding: 'utf8' });
  return { status, stdout, stderr, left: fs.readdirSync(temporary).filter((name) => name.startsWith('hifi-stdin')) };
}

it('analyses standard input like a file, and leaves nothing of it', () => {
  const analyze = (data: string, out: string) =>
    given(
      rows,
      'analyze',
      '--model',
      model,
      '--data',
      data,
      '--format',
      'tsv',
      ...columns,
      '--samples',
      '20',
      '--out',
      path.join(scratch, out),
      '--json',
    );
  const piped = analyze('-', 'piped');
  expect(piped).toMatchObject({ status: 0, left: [] });
  const { data, elapsedSeconds: _a, ...report } = JSON.parse(piped.stdout);
  expect(data).toMatchObject({ path: 'stdin', rows: 60, sha256: createHash('sha256').update(rows).digest('hex') });
  const file = path.join(fixtures, 'tiny-data/train.tsv');
  const { data: same, elapsedSeconds: _b, ...expected } = JSON.parse(analyze(file, 'file').stdout);
  expect(report).toEqual(expected);
  expect(data).toEqual({ ...same, path: 'stdin' });
});

it('trains on standard input and predicts a plain text from it', () => {
  const out = path.join(scratch, 'run');
  const words = ['--model', model, '--train', '-', '--format', 'tsv', ...columns, '--epochs', '1', '--samples', '10'];
  expect(given(rows, 'run', ...words, '--out', out)).toMatchObject({ status: 0, left: [] });
  const delta = path.join(out, 'delta');
  const predicted = given(
    'one fine day\n\nthe old sailor found a boat\n',
    'predict',
    '--model',
    model,
    '--delta',
    delta,
    '--data',
    '-',
    '--format',
    'txt',
  );
  expect(predicted).toMatchObject({ status: 0, left: [] });
  const lines = predicted.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ row }) => row)).toEqual([0, 1]);
});

it.each(['SIGHUP', 'SIGTERM', 'SIGINT'] as const)('leaves nothing of it when %s ends the work', async (signal) => {
  const temporary = fs.mkdtempSync(path.join(scratch, 'tmp-'));
  const out = path.join(scratch, `ended-${signal}`);
  const words = [
    'run',
    '--model',
    model,
    '--train',
    '-',
    '--format',
    'tsv',
    ...columns,
    '--epochs',
    '5000',
    '--out',
    out,
  ];
  const child = spawn(process.execPath, [hifi, ...words], { env: { ...process.env, TMPDIR: temporary } });
  child.stdin.end(rows);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    if (!stderr.includes('analyzing') && (stderr + text).includes('analyzing')) {
      expect(fs.readdirSync(temporary).some((name) => name.startsWith('hifi-stdin-'))).toBe(true);
      child.kill(signal);
    }
    stderr += text;
  });
  const [status] = await once(child, 'exit');
  expect({ status, left: fs.readdirSync(temporary) }).toEqual({ status: 130, left: [] });
});

describe('is refused in one line', () => {
  const refused = (input: Buffer | string, ...words: string[]) => {
    const out = path.join(scratch, 'none');
    const { status, stderr, left } = given(input, ...words, '--model', model, '--out', out);
    expect({ status, left, out: fs.existsSync(out) }).toEqual({ status: 2, left: [], out: false });
    const errors = stderr
      .trimEnd()
      .split('\n')
      .filter((line) => line.startsWith('hifi: '));
    expect(errors).toHaveLength(1);
    return errors[0].slice('hifi: '.length);
  };

  it('without a format', () => {
    expect(refused(rows, 'analyze', '--data', '-', ...columns)).toMatch(
      /^- is standard input.*--format tsv\|csv\|jsonl\|parquet\|txt\|conll$/,
    );
  });
  it('twice', () => {
    const words = ['run', '--train', '-', '--dev', '-', '--format', 'tsv', ...columns];
    expect(refused(rows, ...words)).toMatch(/^--train and --dev are both -/);
  });
  it('empty, or with a bad line', () => {
    expect(refused('', 'analyze', '--data', '-', '--format', 'txt')).toBe('stdin: the file is empty');
    const words = ['analyze', '--data', '-', '--format', 'jsonl', '--text-columns', 'text'];
    expect(refused('{"text": "a"}\n{"text": 3', ...words)).toMatch(/^stdin: line 2 is not JSON/);
  });
});

describe('plain text', () => {
  const text = path.join(scratch, 'rows.txt');
  beforeAll(() => fs.writeFileSync(text, 'one fine day\nanother day\n'));
  const refused = (...words: string[]) => {
    const { status, stderr } = given('', ...words, '--model', model, '--out', path.join(scratch, 'no'));
    return { status, line: stderr.trimEnd().split('\n').at(-1) };
  };

  it('needs no columns in an analysis, and has no columns', () => {
    const out = path.join(scratch, 'text');
    expect(given('', 'analyze', '--model', model, '--data', text, '--out', out).status).toBe(0);
    const named = refused('analyze', '--data', text, '--text-columns', 'text');
    expect(named).toEqual({ status: 2, line: expect.stringMatching(/rows\.txt: a plain text has no columns/) });
  });
  it('has no labels', () => {
    const labelled = refused('run', '--train', text, ...columns);
    expect(labelled).toEqual({ status: 2, line: expect.stringMatching(/rows\.txt: a plain text has no labels/) });
  });
  it('a name without a known extension', () => {
    const named = refused('analyze', '--data', path.join(scratch, 'rows.xlsx'), '--text-columns', 'text');
    expect(named).toEqual({ status: 2, line: expect.stringMatching(/rows\.xlsx: .*\.parquet.*--format/) });
  });
});
