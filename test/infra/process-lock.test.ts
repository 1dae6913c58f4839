import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { lockFor } from '../../infra/process-lock';
import { temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('lock');
afterAll(() => fs.rmSync(folder, { recursive: true }));
let count = 0;
const newLock = () => path.join(folder, `${count++}.lock`);

/** A process that takes a lock and is killed with it. */
function killedWith(file: string): void {
  const script = `require(process.argv[1]).lockFor(process.argv[2], 'it'); process.kill(process.pid, 'SIGKILL')`;
  const { signal } = spawnSync(process.execPath, ['-e', script, require.resolve('../../infra/process-lock'), file]);
  expect(signal).toBe('SIGKILL');
  expect(fs.existsSync(file)).toBe(true);
}

test('a lock of a living process is refused to another, in one line', () => {
  const file = newLock();
  // The process that runs this is alive; its lock is another's to whoever did not take it.
  fs.writeFileSync(file, identity(process.ppid));
  expect(() => lockFor(file, 'the folder')).toThrow(new RegExp(`the folder is in use by process ${process.ppid}`));
  expect(fs.readdirSync(folder).filter((name) => name.startsWith(`${path.basename(file)}.`))).toEqual([]);
});

test('a lock that a killed process left is taken over, and is free once it is given back', () => {
  const file = newLock();
  killedWith(file);
  const unlock = lockFor(file, 'the folder');
  expect(fs.readFileSync(file, 'utf8').split(' ')[0]).toBe(String(process.pid));
  unlock();
  expect(fs.existsSync(file)).toBe(false);
  lockFor(file, 'the folder')();
});

test('another process with the id of a dead one is not taken for it', () => {
  const file = newLock();
  fs.writeFileSync(file, `${process.ppid} 1`);
  lockFor(file, 'the folder')();
});

/** As the lock writes it: id and start. */
function identity(pid: number): string {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
}
