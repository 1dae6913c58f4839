import { lastLines, runCommand } from '../../infra/command';

const node = (script: string, options = {}) => runCommand(process.execPath, ['-e', script], options);

it('tells the status and what was written, on both outputs', async () => {
  const { status, output } = await node("console.log('out'); console.error('err'); process.exitCode = 3");
  expect(status).toBe(3);
  expect(output.split('\n').sort()).toEqual(['', 'err', 'out']);
});

it('keeps the end of a long output', async () => {
  const { output } = await node("console.log('x'.repeat(200000)); console.log('the end')");
  expect(output.length).toBe(65_536);
  expect(lastLines(output, 1)).toEqual(['the end']);
});

it('adds to the environment, and takes from it', async () => {
  const script = 'console.log(process.env.GIVEN, process.env.HOME)';
  expect((await node(script, { env: { GIVEN: 'yes', HOME: undefined } })).output).toBe('yes undefined\n');
});

it('a command that is not there has status 127, one that a signal ended 1', async () => {
  expect((await runCommand('no-such-command-here', [])).status).toBe(127);
  expect((await node("process.kill(process.pid, 'SIGKILL')")).status).toBe(1);
});

it('last lines are those that say something', () => {
  expect(lastLines('a\n\nb\r\n  \nc\n', 2)).toEqual(['b', 'c']);
});
