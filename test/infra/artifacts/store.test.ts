import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { processMark } from '../../../foundation/process-identity';
import { keepCacheSwept, sweepCache } from '../../../infra/artifacts/cache-sweep';
import { FolderArtifacts } from '../../../infra/artifacts/folder-store';
import { status } from '../../../proto/status';
import { temporaryFolder } from '../../support/deltas';
import { FillingDisk } from '../../support/filling-disk';

const DAY = 24 * 3600_000;
const content = randomBytes(3 << 20);
const sha256 = createHash('sha256').update(content).digest('hex');
const whole = { sha256, sizeBytes: content.length, offset: 0 };
/** Yields the content from an offset on, in chunks; calls `between` before each. */
async function* pieces(from = 0, between: (at: number) => void | Promise<void> = () => {}) {
  for (let at = from; at < content.length; at += 1 << 20) {
    await between(at);
    yield content.subarray(at, at + (1 << 20));
  }
}

let folder: string;
let store: FolderArtifacts;
beforeEach(() => {
  folder = temporaryFolder('store');
  store = new FolderArtifacts(folder);
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const parts = () => fs.readdirSync(path.join(folder, 'parts'));

describe.each(['a file', 'a received file', 'a text'])('%s that was damaged on the disk', (how) => {
  const text = content.toString('base64');
  const come = async (to: FolderArtifacts) => {
    if (how === 'a text') return to.addText(text);
    if (how === 'a received file') return to.receive(whole, pieces());
    const file = path.join(folder, 'given');
    fs.writeFileSync(file, content);
    return to.add(file).finally(() => fs.rmSync(file));
  };

  it.each([
    ['shorter', (file: string) => fs.truncateSync(file, 1 << 20)],
    ['as long, with other bytes', (file: string) => fs.writeFileSync(file, Buffer.alloc(fs.statSync(file).size))],
  ])('%s: a new process does not serve it, and accepts it again', async (_, damage) => {
    const stored = await come(store);
    const file = await store.path(stored.sha256);
    const right = fs.readFileSync(file);
    damage(file);
    const other = new FolderArtifacts(folder);
    await expect(other.read(stored.sha256, 0, 1 << 20).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await other.upload(stored.sha256)).toEqual({ offset: 0, complete: false });
    expect(await come(other)).toEqual(stored);
    expect(fs.readFileSync(await other.path(stored.sha256)).equals(right)).toBe(true);
    expect(parts()).toEqual([]);
  });

  it('the process that wrote it detects it too, and accepts the same content again', async () => {
    const stored = await come(store);
    const file = await store.path(stored.sha256);
    fs.truncateSync(file, 100);
    expect(await come(store)).toEqual(stored);
    expect(fs.statSync(file).size).toBe(stored.sizeBytes);
  });
});

describe('a disk that fills', () => {
  const disk = FillingDisk.mount(8);
  afterAll(() => disk?.unmount());
  const onDisk = disk ? it : it.skip;
  beforeEach(() => disk && new FolderArtifacts(disk.folder).remove(sha256));
  afterEach(() => disk?.empty());
  const left = () => fs.readdirSync(path.join(disk!.folder, 'parts'));

  onDisk('without room nothing is begun', async () => {
    const here = new FolderArtifacts(disk!.folder);
    disk!.fill(2 << 20);
    let read = false;
    const chunks = pieces(0, () => {
      read = true;
    });
    const error = await here.receive(whole, chunks).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(/needs 3\.1 MB.*; 2\.\d MB are free/),
    });
    expect([read, left()]).toEqual([false, []]);
  });

  // The system writes a part of a chunk and returns its length; only the next write fails.
  onDisk('a chunk that is written in part is an error, and the upload is dropped', async () => {
    const here = new FolderArtifacts(disk!.folder);
    const filling = pieces(0, (at) => {
      if (at === 2 << 20) disk!.fill(1 << 19);
    });
    await expect(here.receive(whole, filling)).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect([await here.has(sha256), left()]).toEqual([false, []]);
    disk!.empty();
    await here.receive(whole, pieces());
    expect(fs.readFileSync(await here.path(sha256)).equals(content)).toBe(true);
  });

  onDisk('a file and a text that find no room leave nothing', async () => {
    const here = new FolderArtifacts(disk!.folder);
    const file = path.join(folder, 'given');
    fs.writeFileSync(file, content);
    disk!.fill(1 << 19);
    const full = { code: 'DISK_FULL', message: expect.stringContaining('free') };
    await expect(here.add(file)).rejects.toMatchObject(full);
    await expect(here.addText('x'.repeat(1 << 20))).rejects.toMatchObject(full);
    expect([await here.has(sha256), left()]).toEqual([false, []]);
  });
});

it('two concurrent uploads of one file: the second must try again, at any store of the process', async () => {
  const other = new FolderArtifacts(folder);
  let second: unknown;
  const first = store.receive(
    whole,
    pieces(0, async (at) => {
      if (at > 0) second ??= await other.receive(whole, pieces()).catch((error) => error);
    }),
  );
  await first;
  expect(second).toMatchObject({ code: status.ABORTED, reason: 'UPLOAD_AT_WORK', details: { retrySeconds: 1 } });
  expect(await other.receive(whole, pieces())).toEqual({ sha256, sizeBytes: content.length });
});

it('another process that receives the same file writes to its own part', async () => {
  // The part belongs to a running process: this one's parent.
  const others = `${sha256}.${processMark(process.ppid)}-00000000-0000-4000-8000-000000000000`;
  fs.writeFileSync(path.join(folder, 'parts', others), 'half');
  const here = new FolderArtifacts(folder);
  await here.receive(whole, pieces());
  expect(fs.readFileSync(path.join(folder, 'parts', others), 'utf8')).toBe('half');
  expect(fs.readFileSync(await here.path(sha256)).equals(content)).toBe(true);
});

it('an upload resumes after its process was killed', async () => {
  const dead = processMark(2 ** 22 + 1); // greater than any process id
  const left = path.join(folder, 'parts', `${sha256}.${dead}-00000000-0000-4000-8000-000000000000`);
  fs.writeFileSync(left, content.subarray(0, 1 << 20));
  const here = new FolderArtifacts(folder);
  const { offset } = await here.upload(sha256);
  expect(offset).toBe(1 << 20);
  await here.receive({ ...whole, offset }, pieces(offset));
  expect(parts()).toEqual([]);
});

it('a cache drops files that were unused for a day', async () => {
  const [old, used] = [await store.addText('old'), await store.addText('used')];
  await sweepCache(store, Date.now() + DAY / 2);
  expect([await store.has(old.sha256), await store.has(used.sha256)]).toEqual([true, true]);
  // The time of a use is the ctime, which cannot be set.
  const later = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + DAY / 2);
  const { ctimeMs } = fs.statSync(await store.path(used.sha256));
  later.mockRestore();
  const unused = fs.statSync(path.join(folder, 'sha256', old.sha256)).ctimeMs;
  expect(ctimeMs).toBeGreaterThan(unused);
  await sweepCache(store, ctimeMs + DAY);
  expect([await store.has(old.sha256), await store.has(used.sha256)]).toEqual([false, true]);
});

it('a service does not sweep a store that a gateway shares', async () => {
  const { sha256 } = await store.addText('of a job');
  const later = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 2 * DAY);
  const failed = jest.fn();
  await keepCacheSwept(store, () => false, failed)();
  expect(await store.has(sha256)).toBe(true);
  await keepCacheSwept(store, () => true, failed)();
  expect(await store.has(sha256)).toBe(false);
  later.mockRestore();
  expect(failed).not.toHaveBeenCalled();
});
