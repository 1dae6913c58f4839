import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines, runCommand } from '../../foundation/command';

const node = (script: string, options = {}) => runCommand(process.execPath, ['-e', script], options);

it('returns the status and the text of both outputs', async () => {
  const { status, output } = await node("console.log('out'); console.error('err'); process.exitCode = 3");
  expect(status).toBe(3);
  expect(output.split('\n').sort()).toEqual(['', 'err', 'out']);
});

it('returns the end of a long output', async () => {
  const { output } = await node("console.log('x'.repeat(200000)); console.log('the end')");
  expect(output.length).toBe(65_536);
  expect(lastLines(output, 1)).toEqual(['the end']);
});

it('adds variables to the environment and removes some', async () => {
  const script = 'console.log(process.env.GIVEN, process.env.HOME)';
  expect((await node(script, { env: { GIVEN: 'yes', HOME: undefined } })).output).toBe('yes undefined\n');
});

it('a missing command has status 127, one that a signal ended 1', async () => {
  expect((await runCommand('no-such-command-here', [])).status).toBe(127);
  expect((await node("process.kill(process.pid, 'SIGKILL')")).status).toBe(1);
});

it('is cancelled by a signal, with its child processes', async () => {
  const controller = new AbortController();
  const script = `
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    require('node:fs').writeFileSync(process.env.PID_FILE, String(child.pid));
    setInterval(() => {}, 1000);`;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-command-'));
  const file = path.join(folder, 'pid');
  const running = node(script, { env: { PID_FILE: file }, signal: controller.signal });
  const end = expect(running).rejects.toMatchObject({ name: 'HifiError', code: 'CANCELLED' });
  while (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') === '') await sleep(10);
  controller.abort();
  await end;
  const pid = fs.readFileSync(file, 'utf8');
  const there = () =>
    fs.existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  while (there()) await sleep(10);
  fs.rmSync(folder, { recursive: true });
  await expect(node('', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
});

it('the last lines exclude blank ones', () => {
  expect(lastLines('a\n\nb\r\n  \nc\n', 2)).toEqual(['b', 'c']);
});
