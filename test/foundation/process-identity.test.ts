import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { identityOf, isLeft, isRunning, MARK, processMark } from '../../foundation/process-identity';

let file: string;
beforeAll(() => {
  file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-mark-')), 'part');
  fs.writeFileSync(file, '');
});
afterAll(() => fs.rmSync(path.dirname(file), { recursive: true }));

test('a file of a running process is not left; it is once the process has ended', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()']);
  const mark = processMark(child.pid);
  expect(mark).toMatch(new RegExp(`^${MARK}$`));
  expect([isLeft(file, processMark()), isLeft(file, mark)]).toEqual([false, false]);
  child.stdin.end();
  await once(child, 'close');
  expect(isLeft(file, mark)).toBe(true);
});

test('another process with the same id is another process', () => {
  const own = identityOf();
  expect(isRunning(own)).toBe(true);
  expect(isRunning({ ...own, start: `${Number(own.start) + 1}` })).toBe(false);
  const [pid, start, namespace] = processMark().split('_');
  expect(isLeft(file, `${pid}_${Number(start) + 1}_${namespace}`)).toBe(true);
});

test.each(['1_1_0123456789ab', '12345', ''])('the age decides if the process %j cannot be looked up', (mark) => {
  const now = Date.now() / 1000;
  fs.utimesSync(file, now, now);
  expect(isLeft(file, mark)).toBe(false);
  fs.utimesSync(file, now, now - 2 * 3600);
  expect(isLeft(file, mark)).toBe(true);
  expect(isLeft(`${file}-none`, mark)).toBe(false);
});
