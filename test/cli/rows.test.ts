import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { fixtures } from './spawn';

/*
 * Tests the command on rows as users have them: several files, a header with a comma, semicolons,
 * mixed line ends, labels that look alike, empty texts.
 */
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-rows-test-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

const hifi = path.join(__dirname, '../../cli/hifi.ts');
const model = path.join(fixtures, 'tiny-bert');
const at = (...names: string[]) => path.join(scratch, ...names);

function file(name: string, content: string): string {
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.writeFileSync(at(name), content);
  return at(name);
}

const run = (...words: string[]) => spawnSync(process.execPath, [hifi, ...words], { encoding: 'utf8' });

const LABELS = ['NEG', 'neg', 'POS'];
const part = (from: number) =>
  `"Title, body";label\r\n${Array.from({ length: 15 }, (_, i) => `the sailor found ${from + i};${LABELS[i % 3]}\r`).join('')}`;
const COLUMNS = ['--text-columns', 'Title, body', '--label-column', 'label', '--delimiter', ';'];

it('runs on several files, warns of labels that look alike, and prints the command to repeat', () => {
  const files = ['--train', file('b.csv', part(0)), '--train', file('a.csv', part(15))];
  const out = at('run');
  const options = [
    '--out',
    out,
    '--epochs',
    '1',
    '--samples',
    '5',
    '--export',
    'checkpoint',
    '--k',
    '1',
    '--strategy',
    'gradient',
  ];
  const { status, stderr } = run('run', '--model', model, ...files, ...COLUMNS, ...options);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const warning = `warning: ${at('b.csv')} and 1 more file: the labels "NEG", "neg" differ only in letter case; they are 2 classes`;
  // Scoring and training both read the rows: the warning appears once.
  expect(stderr.split('\n').filter((line) => line.includes('letter case'))).toEqual([warning]);
  const { data } = JSON.parse(fs.readFileSync(path.join(out, 'heads.json'), 'utf8'));
  expect(data).toMatchObject({ path: `${at('b.csv')} and 1 more file`, rows: 30 });
  const report = fs.readFileSync(path.join(out, 'report.html'), 'utf8');
  expect(report).toContain(`--train ${at('b.csv')}`);
  expect(report).toContain(`--train ${at('a.csv')}`);
  expect(report).toContain(`--text-columns &#39;Title, body&#39;`.replaceAll('&#39;', "'"));
});

it('predicts a folder of files, with a warning for an empty text', () => {
  const folder = path.dirname(file('new/0.csv', 'text,label\nthe sailor,1\n"",2\r\r\n'));
  file('new/1.csv', 'label,text\n1,a boat\r2,\n');
  const { status, stdout, stderr } = run(
    'predict',
    '--model',
    at('run/checkpoint'),
    '--data',
    folder,
    '--text-columns',
    'text',
  );
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(rows.map(({ row }) => row)).toEqual([0, 1, 2, 3]);
  expect(rows[1].logits).toEqual(rows[3].logits); // both texts are empty
  expect(stderr).toContain(
    `warning: 2 rows, the first ${folder}/0.csv: row 1, have an empty text, which is predicted like any other`,
  );
});

it('suggests the delimiter of a file without commas', () => {
  const semicolons = file('semicolons.csv', 'text;label\na;0\n');
  const refused = (...words: string[]) => {
    const { status, stderr } = run('analyze', '--model', model, '--out', at('none'), ...words);
    expect({ status, stderr }).toMatchObject({ status: 2 });
    return stderr.trimEnd().split('\n').at(-1);
  };
  expect(refused('--data', semicolons, '--text-columns', 'text')).toBe(
    `hifi: ${semicolons}: no column "text" in the header ("text;label"); it looks separated by ";": give --delimiter ";"`,
  );
  expect(refused('--data', semicolons, '--text-columns', 'a,b,c')).toBe(
    `hifi: --text-columns is "a,b,c"; it must be one name, or two with a comma between; ${semicolons} has "text;label"`,
  );
});
