import * as path from 'node:path';
import { fixtures, hifi } from './spawn';

/*
 * Tests `--verbose`: the same line, then the stack and the causes of the error on stderr. The
 * engine's process reads the rows, so its stack is included.
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

test('a failure with a cause names the flag that prints it', () => {
  const words = ['jobs', 'list', '--gateway', '127.0.0.1:1'];
  expect(hifi(...words)).toEqual({
    ...{ status: 4, stdout: '' },
    stderr:
      'hifi: 127.0.0.1:1 cannot be reached (ECONNREFUSED): hifi serve starts a gateway, --gateway names another; --verbose prints the cause\n',
  });
  const { stderr } = hifi(...words, '--verbose');
  expect(stderr).toMatch(/^hifi: .* names another\nHifiError: /);
  expect(stderr).toMatch(/\ncaused by RpcError: .*\n(.*\n)*caused by Error: 14 UNAVAILABLE/);
});

test('every command has it, and bad usage is one line in any case', () => {
  for (const command of [['run'], ['jobs', 'watch'], ['setup'], ['init']]) {
    expect(hifi(...command, '--help').stdout).toMatch(/^ {2}--verbose /m);
  }
  expect(hifi('select', '--out', 'x', '--epochs', '1', '--verbose')).toMatchObject({
    status: 2,
    stderr: "hifi: unknown option '--epochs'\n",
  });
});
