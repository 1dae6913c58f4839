import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { openLog } from '../../infra/log';
import { LogFile } from '../../infra/log-file';
import { FillingDisk } from '../support/filling-disk';

const HOOK = path.join(__dirname, '../support/typescript-hook.cjs');
const LOG = path.join(__dirname, '../../infra/log');

const disk = FillingDisk.mount(1);
afterAll(() => disk?.unmount());
const onDisk = disk ? it : it.skip;

onDisk('lines without room are lost and counted in a later line; no line is merged with another', () => {
  const file = path.join(disk!.folder, 'log');
  const descriptor = fs.openSync(file, 'a');
  const log = openLog('gateway', new LogFile(descriptor));
  log.info('before');
  disk!.fill();
  // The file's last page has room for a few more lines.
  for (let i = 0; i < 40; i++) log.info({ text: 'x'.repeat(200) }, `lost ${i}`);
  disk!.empty();
  log.info('after');
  fs.closeSync(descriptor);
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n');
  const whole = lines.flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line)] : []));
  expect(lines.length - whole.length).toBeLessThanOrEqual(1); // the line at which the disk was full
  expect([whole[0].msg, whole.at(-1).msg]).toEqual(['before', 'after']);
  const report = whole.at(-2);
  expect(report).toMatchObject({ level: 'warn', msg: 'lines of the log could not be written' });
  expect(whole.length - 3 + report.lost).toBe(40);
});

it.each([
  ['a full disk', '2>/dev/full'],
  ['a pipe without a reader', '2> >(true)'],
])('%s as stderr does not affect the caller', (_, redirected) => {
  const script = `
    const log = require(${JSON.stringify(LOG)}).openLog('gateway');
    for (let i = 0; i < 3; i++) log.error({ err: new Error('x'.repeat(100_000)) }, 'a long line');
    console.log('went on');`;
  const words = ['-c', `"$@" ${redirected}`, 'bash', process.execPath, '--require', HOOK, '-e', script];
  const { stdout, status } = spawnSync('bash', words, { encoding: 'utf8' });
  expect({ stdout, status }).toEqual({ stdout: 'went on\n', status: 0 });
});

// Opened for reading and writing, a FIFO holds 64 KiB without a reader.
it('a full non-blocking pipe loses a line, and the process continues', () => {
  const script = `
    const fs = require('node:fs');
    const { LogFile } = require(${JSON.stringify(path.join(__dirname, '../../infra/log-file'))});
    const fifo = process.argv[1];
    const pipe = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    const log = new LogFile(pipe);
    for (let i = 0; i < 3; i++) log.write('x'.repeat(60_000) + '\\n');
    console.log('went on');`;
  const folder = fs.mkdtempSync('/tmp/hifi-fifo-');
  const fifo = path.join(folder, 'fifo');
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
  const { stdout } = spawnSync(process.execPath, ['--require', HOOK, '-e', script, fifo], { encoding: 'utf8' });
  expect(stdout).toBe('went on\n');
  fs.rmSync(folder, { recursive: true });
});
