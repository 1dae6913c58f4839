import * as path from 'node:path';
import { fixtures, hifi } from './spawn';

/*
 * `--verbose`: the same line first, then where an error arose and what caused it, on stderr. The rows are read by the engine's
 * process: its stack crosses.
 */
const model = path.join(fixtures, 'tiny-bert');
const data = path.join(fixtures, 'tiny-data/train.tsv');
const analyze = [
  'analyze',
  '--model',
  model,
  '--data',
  data,
  '--text-columns',
  'sentense',
  '--out',
  '/nowhere/out',
  '--json',
];

test('an error of the engine is one line without it, and with it the stacks of both processes', () => {
  const [plain, verbose] = [analyze, [...analyze, '--verbose']].map((words) => hifi(...words));
  expect([plain.status, plain.stdout, verbose.status, verbose.stdout]).toEqual([2, '', 2, '']);
  const [line] = plain.stderr.split('\n').filter((each) => each.startsWith('hifi: '));
  expect(line).toMatch(/no column "sentense"/);
  expect(plain.stderr.endsWith(`${line}\n`)).toBe(true);
  expect(plain.stderr).not.toMatch(/^ +at /m);
  const [, trace] = verbose.stderr.split(`${line}\n`);
  const [parent, child] = trace.split('\ncaused by in the child process: ');
  expect(parent).toMatch(/^HifiError: .*no column "sentense".*\n( +at .*\n)* +at .*infra\/engine\.ts/);
  expect(child).toMatch(/^HifiError: .*no column "sentense".*\n( +at .*\n)* +at .*data\/layout\.ts/);
});

test('a failure with a cause says how to learn it', () => {
  const words = ['jobs', 'list', '--gateway', '127.0.0.1:1'];
  expect(hifi(...words)).toEqual({
    ...{ status: 4, stdout: '' },
    stderr:
      'hifi: 127.0.0.1:1 cannot be reached (ECONNREFUSED): hifi serve starts a gateway, --gateway names another; --verbose tells the cause\n',
  });
  const { stderr } = hifi(...words, '--verbose');
  expect(stderr).toMatch(/^hifi: .* names another\nHifiError: /);
  expect(stderr).toMatch(/\ncaused by RpcError: .*\n(.*\n)*caused by Error: 14 UNAVAILABLE/);
});

test('every command has it, and bad usage is a line either way', () => {
  for (const command of [['run'], ['jobs', 'watch'], ['setup'], ['init']]) {
    expect(hifi(...command, '--help').stdout).toMatch(/^ {2}--verbose /m);
  }
  expect(hifi('select', '--out', 'x', '--epochs', '1', '--verbose')).toMatchObject({
    status: 2,
    stderr: "hifi: unknown option '--epochs'\n",
  });
});
