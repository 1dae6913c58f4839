import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { selectHeads } from '../../heads/select';
import { readMask, writeJson } from '../../job/files';
import { sampleReport, sampleScores } from '../job/sample-results';
import { hifi } from './spawn';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-select-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));
const heads = path.join(scratch, 'heads.json');
writeJson(heads, sampleReport());

test('a mask is computed from heads.json with the given options', () => {
  const out = path.join(scratch, 'mask.json');
  const options = ['--k', '2', '--damping', '0.85', '--teleport', 'uniform', '--tune', 'qkvo'];
  const { status, stdout, stderr } = hifi('select', '--heads', heads, '--out', out, ...options, '--json');
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const wanted = selectHeads(sampleReport(), { k: 2, damping: 0.85, teleport: 'uniform', tune: 'qkvo' });
  expect(readMask(out)).toEqual(wanted);
  expect(JSON.parse(stdout)).toEqual(wanted);
  expect(stderr).toMatch(/^layer {2}heads\n/);
  expect(stderr).toContain('4 heads by hifi: 4,160 of 100,000 parameters (4.2 %), qkvo\n');
});

test('a budget selects the best heads of the whole model', () => {
  const out = path.join(scratch, 'budget.json');
  const { status, stderr } = hifi('select', '--heads', heads, '--out', out, '--budget', '0.025', '--scope', 'model');
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(readMask(out)).toEqual(selectHeads(sampleReport(), { budget: 0.025 }));
  expect(stderr).toContain('3 heads by hifi: 2,352 of 100,000 parameters (2.4 %), qkv\n');
  const again = ['select', '--heads', heads, '--out', out, '--overwrite'];
  const covariance = hifi(...again, '--budget', '1', '--correlation', 'covariance');
  expect(covariance.stderr).toMatch(/^warning: scope model with covariance/);
});

describe('--strategy gradient', () => {
  const scores = path.join(scratch, 'scores.json');
  writeJson(scores, sampleScores());
  const gradient = ['select', '--strategy', 'gradient', '--k', '2'];

  test.each([[[]], [['--heads', heads]]])('uses scores alone, or with an analysis of the same model', (analysis) => {
    const out = path.join(scratch, `gradient-${analysis.length}.json`);
    const { status, stderr } = hifi(...gradient, ...analysis, '--scores', scores, '--out', out);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const mask = readMask(out);
    expect(mask).toEqual(selectHeads(sampleScores(), { strategy: 'gradient', k: 2 }));
    expect(mask.heads.map(({ layer, head }) => [layer, head])).toEqual([
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
    ]);
  });

  test('refuses flags that exclude each other', () => {
    const other = path.join(scratch, 'other-scores.json');
    const { model, ...rest } = sampleScores();
    writeJson(other, { ...rest, model: { ...model, name: 'another', sha256: 'ef'.repeat(32) } });
    const out = ['--out', path.join(scratch, 'never.json')];
    const refused = (...words: string[]) => {
      const { status, stdout, stderr } = hifi(...words, ...out);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      return stderr;
    };
    expect(refused(...gradient, '--heads', heads)).toMatch(/^hifi: --strategy gradient needs --scores scores.json/);
    expect(refused('select', '--heads', heads, '--scores', scores)).toMatch(
      /^hifi: --scores needs --strategy gradient/,
    );
    expect(refused(...gradient, '--heads', heads, '--scores', other)).toMatch(
      /^hifi: .*other-scores.json is of another \(SHA-256 efefefefefef…\), .* of sample .* one model\n$/,
    );
    expect(refused(...gradient, '--scores', heads)).toMatch(/^hifi: .*heads.json: strategy is missing/);
  });
});

test('a file is replaced only with --overwrite; without --json stdout is empty', () => {
  const out = path.join(scratch, 'again.json');
  fs.writeFileSync(out, 'mine');
  const words = ['select', '--heads', heads, '--out', out, '--strategy', 'none'];
  expect(hifi(...words)).toEqual({
    status: 2,
    stdout: '',
    stderr: `hifi: --out ${out} exists: give a new file or --overwrite\n`,
  });
  expect(fs.readFileSync(out, 'utf8')).toBe('mine');
  expect(hifi(...words, '--overwrite')).toMatchObject({ status: 0, stdout: '' });
  expect(readMask(out).heads).toEqual([]);
});

test('a graph that ranks layers by their scale gives a warning', () => {
  const out = path.join(scratch, 'scale.json');
  const { stderr } = hifi('select', '--heads', heads, '--out', out, '--scope', 'model', '--correlation', 'covariance');
  expect(stderr).toMatch(/^warning: scope model with covariance/);
});

test.each([
  [['select', '--out', 'x'], /^hifi: required option '--heads <heads.json>' not specified\n$/],
  [['select', '--heads', 'heads.json'], /^hifi: required option '--out <path>' not specified\n$/],
  [
    ['select', '--heads', path.join(scratch, 'head.json'), '--out', 'x'],
    /no such file; did you mean "heads.json"\?\n$/,
  ],
  [
    ['select', '--heads', heads, '--out', path.join(scratch, 'x'), '--k', '5'],
    /^hifi: k is 5; it must be 1 to 4: a layer of this model has 4 heads\n$/,
  ],
  [
    ['select', '--heads', heads, '--out', path.join(scratch, 'x'), '--budget', '0.001'],
    /^hifi: budget is 0\.001; it must be at least 0\.00784: one head is 784 of the model's 100000 parameters\n$/,
  ],
  [
    ['select', '--heads', heads, '--out', path.join(scratch, 'x'), '--budget', '0.1', '--k', '3'],
    /^hifi: --k 3 and --budget 0\.1 are given; give one of them\n$/,
  ],
  [['selct'], /^hifi: unknown command 'selct' \(Did you mean select\?\)\n$/],
  [['--verson'], /^hifi: unknown option '--verson' \(Did you mean --version\?\)\n$/],
])('%j ends with 2 and one line', (words, line) => {
  const { status, stdout, stderr } = hifi(...words);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(line);
  expect(stderr.trimEnd()).not.toContain('\n');
});

test('help and the version go to stdout', () => {
  const { version } = JSON.parse(fs.readFileSync(path.join(__dirname, '../../package.json'), 'utf8'));
  expect(hifi('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  const help = hifi('--help');
  expect(help).toMatchObject({ status: 0, stderr: '' });
  for (const name of [
    'run',
    'analyze',
    'select',
    'score',
    'train',
    'evaluate',
    'predict',
    'ablate',
    'export',
    'setup',
    'doctor',
  ]) {
    expect(help.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  }
  expect(hifi('help', 'select').stdout).toBe(hifi('select', '--help').stdout);
});
