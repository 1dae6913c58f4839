import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { processMark } from '../../foundation/process-identity';
import { sweepCache } from '../../infra/artifacts/cache-sweep';
import { PrefixFolder } from '../../trainer/prefix-file';
import { temporaryFolder } from '../support/deltas';

const root = temporaryFolder('prefixes');
afterAll(() => fs.rmSync(root, { recursive: true }));
const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((digit) => `${digit.repeat(64)}.f32`);
const bytes = Buffer.from('0123456789'.repeat(3));

/** Folder of at most 100 bytes with files of 30, the oldest first. */
function threeFiles() {
  const at = fs.mkdtempSync(path.join(root, 'folder-'));
  const folder = new PrefixFolder(at, 100);
  for (const name of [A, B, C]) written(folder, at, name);
  const names = () => fs.readdirSync(at).sort();
  return { at, folder, names };
}

function written(folder: PrefixFolder, at: string, name: string): void {
  const file = folder.place(name)(bytes.length);
  expect(file.isReused).toBe(false);
  fs.writeSync(file.descriptor, bytes);
  expect(fs.statSync(path.join(at, name), { throwIfNoEntry: false })?.size).not.toBe(bytes.length);
  file.finish();
  file.close();
  expect(fs.readFileSync(path.join(at, name))).toEqual(bytes);
  // Times of files have a resolution of some milliseconds.
  const { ctimeMs } = fs.statSync(path.join(at, name));
  while (Date.now() <= ctimeMs + 20);
}

test('a file is written once, and the least recently used ones leave for it', () => {
  const { at, folder, names } = threeFiles();
  expect(names()).toEqual([A, B, C]);
  const reused = folder.place(A)(30);
  expect(reused.isReused).toBe(true);
  written(folder, at, D);
  expect(names()).toEqual([A, C, D]);
  folder.place('e'.repeat(64))(90).close();
  expect(names()).toEqual([]);
  // A file that is open stays readable.
  const read = Buffer.alloc(30);
  fs.readSync(reused.descriptor, read);
  expect(read).toEqual(bytes);
  reused.close();
});

test('a file beyond the limit is not shared, and no other leaves for it', () => {
  const { folder, names } = threeFiles();
  const file = folder.place(D)(101);
  fs.writeSync(file.descriptor, Buffer.alloc(101));
  file.finish();
  expect(names()).toEqual([A, B, C]);
  file.close();
});

test('a file of another size is written again', () => {
  const { at, folder } = threeFiles();
  fs.truncateSync(path.join(at, A), 29);
  written(folder, at, A);
});

test('what a killed process was writing is not read and leaves; what others write stays', () => {
  const { at, folder, names } = threeFiles();
  const { pid } = spawnSync('true');
  const killed = path.join(at, `${D}.${processMark(pid)}`);
  fs.writeFileSync(killed, bytes);
  const [one, other] = [folder.place(D)(30), folder.place('e'.repeat(64))(10)];
  expect([one.isReused, fs.existsSync(killed)]).toEqual([false, false]);
  fs.writeSync(one.descriptor, bytes);
  one.finish();
  expect(names()).toEqual([B, C, D, expect.stringMatching(/^e{64}\./)]);
  one.close();
  other.close();
  expect(names()).toEqual([B, C, D]);
});

test('a sweep removes files that were unused for a day', async () => {
  const { at, folder, names } = threeFiles();
  await sweepCache(folder, Date.now());
  expect(names()).toEqual([A, B, C]);
  const { ctimeMs } = fs.statSync(path.join(at, B));
  await sweepCache(folder, ctimeMs + 24 * 3600_000 + 1);
  expect(names()).toEqual([C]);
});
