import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { lockFor } from '../../infra/process-lock';
import { temporaryFolder } from '../support/deltas';

const HOOK = require.resolve('../support/typescript-hook.cjs');
const folder = temporaryFolder('lock');
afterAll(() => fs.rmSync(folder, { recursive: true }));
let count = 0;
const newLock = () => path.join(folder, `${count++}.lock`);

/** Starts a process that takes a lock and is killed. */
function killedWith(file: string): void {
  const script = `require(process.argv[1]).lockFor(process.argv[2], 'it'); process.kill(process.pid, 'SIGKILL')`;
  const { signal } = spawnSync(process.execPath, ['-e', script, require.resolve('../../infra/process-lock'), file]);
  expect(signal).toBe('SIGKILL');
  expect(fs.existsSync(file)).toBe(true);
}

test('a lock that a living process holds is refused with one line', () => {
  const file = newLock();
  // The parent of this process is alive, and holds the lock here.
  fs.writeFileSync(file, identity(process.ppid));
  expect(() => lockFor(file, 'the folder')).toThrow(new RegExp(`the folder is in use by process ${process.ppid}`));
  expect(fs.readdirSync(folder).filter((name) => name.startsWith(`${path.basename(file)}.`))).toEqual([]);
});

test('a lock that a killed process left is taken over, and is free after its release', () => {
  const file = newLock();
  killedWith(file);
  const unlock = lockFor(file, 'the folder');
  expect(fs.readFileSync(file, 'utf8').split(' ')[0]).toBe(String(process.pid));
  unlock();
  expect(fs.existsSync(file)).toBe(false);
  lockFor(file, 'the folder')();
});

test('another process with the id of a dead one does not hold its lock', () => {
  const file = newLock();
  fs.writeFileSync(file, `${process.ppid} 1`);
  lockFor(file, 'the folder')();
});

describe('eight processes at once', () => {
  let children: ChildProcess[];
  beforeAll(async () => {
    const entry = require.resolve('./lock-child');
    children = Array.from({ length: 8 }, () => fork(entry, [], { execArgv: ['--require', HOOK] }));
    await ask(newLock(), 1);
  });
  afterAll(() => {
    for (const child of children) child.disconnect();
  });

  /** Lets all of them take a lock. @returns the number of successes, and of second holders */
  async function ask(file: string, times?: number): Promise<{ held: number; twice: number }> {
    const answers = children.map((child) => once(child, 'message'));
    // They start together, once all have received the message.
    for (const child of children) child.send({ file, at: Date.now() + 6, times });
    const results = (await Promise.all(answers)).map(([answer]) => answer);
    const sum = (name: 'held' | 'twice') => results.reduce((total, answer) => total + answer[name], 0);
    return { held: sum('held'), twice: sum('twice') };
  }

  test('exactly one takes over the lock of dead processes', async () => {
    const left = ['999999999 1', '999999999 1 - first\n', '999999999 1 - first\n999999998 1 - second\n'];
    const holders = new Set<number>();
    for (let round = 0; round < 60; round++) {
      const file = newLock();
      fs.writeFileSync(file, left[round % left.length]);
      holders.add((await ask(file)).held);
    }
    expect([...holders]).toEqual([1]);
  });

  test('a repeatedly released lock never has two holders', async () => {
    const { held, twice } = await ask(newLock(), 300);
    expect(held).toBeGreaterThan(8);
    expect(twice).toBe(0);
  });
});

test('a second lock in the same process is refused', () => {
  const file = newLock();
  const unlock = lockFor(file, 'the folder');
  expect(() => lockFor(file, 'the folder')).toThrow(`the folder is in use by process ${process.pid}`);
  unlock();
  lockFor(file, 'the folder')();
});

test('the holder of a removed lock file does not remove the next one', () => {
  const file = newLock();
  const unlock = lockFor(file, 'the folder');
  fs.rmSync(file);
  const next = lockFor(file, 'the folder');
  unlock();
  expect(fs.existsSync(file)).toBe(true);
  next();
});

test('a container that shares the folder is refused while the other one runs, and takes the lock over afterwards', async () => {
  if (spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status !== 0) {
    process.stderr.write('left out: this machine lets no process have a pid namespace of its own\n');
    return;
  }
  const file = newLock();
  const script = `require(process.argv[1]).lockFor(process.argv[2], 'it'); console.log('held'); setInterval(() => {}, 1000)`;
  const words = ['--pid', '--fork', '--kill-child', '--mount-proc', process.execPath, '--require', HOOK, '-e', script];
  const other = spawn('unshare', [...words, require.resolve('../../infra/process-lock'), file]);
  try {
    await once(other.stdout, 'data');
    // The process has id 1 in its namespace. Here id 1 is another living process, with another
    // start.
    expect(fs.readFileSync(file, 'utf8').split(' ')[0]).toBe('1');
    expect(() => lockFor(file, 'the folder')).toThrow('the folder is in use by process 1 of another container');
    expect(fs.readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(1);
  } finally {
    const gone = once(other, 'exit');
    other.kill('SIGKILL');
    await gone;
  }
  lockFor(file, 'the folder', { watchMs: 1500 })();
});

/** Returns a process's id and start in the form of the lock. */
function identity(pid: number): string {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
}
