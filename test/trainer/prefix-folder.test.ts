import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { processMark } from '../../foundation/process-identity';
import { sweepCache } from '../../infra/artifacts/cache-sweep';
import { PrefixFolder } from '../../trainer/prefix-folder';
import { temporaryFolder } from '../support/deltas';

const root = temporaryFolder('prefixes');
afterAll(() => fs.rmSync(root, { recursive: true }));
const nameOf = (digit: string) => `${digit.repeat(64)}.f32`;
const [A, B, C, D] = ['a', 'b', 'c', 'd'].map(nameOf);

/** Folder of at most 100 bytes with files of 30, the oldest first. */
function threeFiles() {
  const at = fs.mkdtempSync(path.join(root, 'folder-'));
  const folder = new PrefixFolder(at, 100);
  for (const name of [A, B, C]) {
    fs.writeFileSync(folder.path(name), Buffer.alloc(30));
    // The ctime has a resolution of some milliseconds.
    const { ctimeMs } = fs.statSync(folder.path(name));
    while (Date.now() <= ctimeMs + 20);
  }
  return { at, folder };
}

test('the files least recently used leave for a new one', () => {
  const { at, folder } = threeFiles();
  folder.makeRoom(10);
  expect(fs.readdirSync(at).sort()).toEqual([A, B, C]);
  const file = folder.open(A, 30)!;
  folder.makeRoom(30);
  expect(fs.readdirSync(at).sort()).toEqual([A, C]);
  folder.makeRoom(90);
  expect(fs.readdirSync(at)).toEqual([]);
  // An open file stays readable.
  expect(fs.readSync(file, Buffer.alloc(40))).toBe(30);
  fs.closeSync(file);
});

test('a missing file and one of another size are not opened', () => {
  const { folder } = threeFiles();
  expect([folder.open(D, 30), folder.open(A, 31)]).toEqual([undefined, undefined]);
});

test('what a killed process was writing is never opened and leaves; what a running one writes stays', () => {
  const { at, folder } = threeFiles();
  const { pid } = spawnSync('true');
  const [killed, running] = [processMark(pid), processMark()].map((mark) => `${D}.${mark}`);
  expect(folder.unfinished(D)).toBe(path.join(at, running));
  for (const name of [killed, running]) fs.writeFileSync(path.join(at, name), Buffer.alloc(30));
  expect(folder.open(D, 30)).toBeUndefined();
  folder.makeRoom(10);
  // The running process's bytes count: 4 · 30 + 10 are too many.
  expect(fs.readdirSync(at).sort()).toEqual([B, C, running]);
});

test('a sweep removes files that were unused for a day', async () => {
  const { at, folder } = threeFiles();
  await sweepCache(folder, Date.now());
  expect(fs.readdirSync(at).sort()).toEqual([A, B, C]);
  const { ctimeMs } = fs.statSync(folder.path(B));
  await sweepCache(folder, ctimeMs + 24 * 3600_000 + 1);
  expect(fs.readdirSync(at)).toEqual([C]);
});
