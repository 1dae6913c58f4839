import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { FileHolds } from '../../gateway/file-holds';
import { LmdbStore } from '../../gateway/lmdb-store';
import { deleteJob, sweep } from '../../gateway/retention';
import { FolderObjects } from '../../infra/artifacts/folder-objects';
import { FolderArtifacts } from '../../infra/artifacts/folder-store';
import { RunStore } from '../../infra/artifacts/run-store';
import { temporaryFolder } from '../support/deltas';
import { all } from './sample-jobs';

const DAY = 24 * 3600_000;
const refused = () => {
  throw new Error('the job is refused');
};
let folder: string;
let store: LmdbStore;
let artifacts: FolderArtifacts;

beforeEach(() => {
  folder = temporaryFolder('retention');
  store = new LmdbStore(path.join(folder, 'jobs'), false);
  artifacts = new FolderArtifacts(path.join(folder, 'artifacts'));
});
afterEach(async () => {
  await store.close();
  fs.rmSync(folder, { recursive: true });
});

const stored = (...files: string[]) => Promise.all(files.map((sha256) => artifacts.has(sha256)));
const addFile = async (text: string) => (await artifacts.addText(text)).sha256;

/** Creates a job with result files and uploaded rows. */
async function job(requestId: string, made: string[], { rows, ended }: { rows?: string; ended: boolean }) {
  const spec = rows === undefined ? {} : { train: { artifact: rows } };
  const given = { requestId, spec, specHash: requestId, traceparent: undefined };
  const { id } = (await store.create(given, 100, { full: refused, otherSpec: refused })).record;
  for (const [i, sha256] of made.entries()) {
    await store.note(id, { kind: 'artifact', artifact: { name: `file-${i}`, sha256, sizeBytes: 1 } });
  }
  if (ended) await store.note(id, { kind: 'state', state: 'SUCCEEDED' });
  return id;
}

test('deleting a job deletes its files, except those of another job', async () => {
  const [own, shared, rows] = [await addFile('own'), await addFile('shared'), await addFile('rows')];
  const first = await job('first', [own, shared], { rows, ended: true });
  await job('second', [shared], { ended: false });
  await deleteJob(first, store, artifacts);
  await expect(store.get(first)).rejects.toThrow(/no job/);
  expect(await stored(own, shared, rows)).toEqual([false, true, false]);
});

test('a file that is being removed is not there for who holds it meanwhile', async () => {
  const file = await addFile('rows');
  const id = await job('removed', [file], { ended: true });
  /** A store whose removals take time, as those of S3 do. */
  class SlowArtifacts extends FolderArtifacts {
    override async remove(sha256: string): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await super.remove(sha256);
    }
  }
  const slow = new SlowArtifacts(path.join(folder, 'artifacts'));
  const holds = new FileHolds(store, slow);
  const deleted = deleteJob(id, store, slow);
  await new Promise((resolve) => setTimeout(resolve, 25));
  const held = await holds.hold(file);
  expect(await slow.has(file)).toBe(held);
  await deleted;
  expect(await slow.has(file)).toBe(held);
  holds.release();
});

test('a sweep deletes jobs thirty days after their end, and unused files and unfinished uploads after a day', async () => {
  const [made, rows, orphan] = [await addFile('made'), await addFile('rows'), await addFile('orphan')];
  const ended = await job('ended', [made], { rows, ended: true });
  const running = await job('running', [], { ended: false });
  const wanted = createHash('sha256').update('never uploaded').digest('hex');
  const interrupted = async function* () {
    yield Buffer.from('never');
  };
  await expect(artifacts.receive({ sha256: wanted, sizeBytes: 10, offset: 0 }, interrupted())).rejects.toThrow(
    /5 bytes/,
  );

  await sweep({ store, artifacts }, Date.now());
  expect(await stored(made, rows, orphan)).toEqual([true, true, true]);
  expect((await artifacts.upload(wanted)).offset).toBe(5);

  await sweep({ store, artifacts }, Date.now() + 2 * DAY);
  expect(await stored(made, rows, orphan)).toEqual([true, true, false]);
  expect((await artifacts.upload(wanted)).offset).toBe(0);

  await sweep({ store, artifacts }, Date.now() + 31 * DAY);
  expect(await stored(made, rows)).toEqual([false, false]);
  expect((await all(store.list())).map(({ id }) => id)).toEqual([running]);
  await expect(store.get(ended)).rejects.toThrow(/no job/);
});

test('a sweep removes the checkpoints of ended jobs after a day, and all others after thirty', async () => {
  const objects = new FolderObjects(path.join(folder, 'artifacts'));
  const runs = new RunStore(objects, artifacts);
  const ended = await job('ended', [], { ended: true });
  const open = await job('open', [], { ended: false });
  for (const run of [ended, open, 'own-run']) await objects.putText(`runs/${run}/key/1/begun`, '');
  const left = async () => (await all(runs.list())).map(({ run }) => run).sort();
  await sweep({ store, artifacts, runs }, Date.now());
  expect(await left()).toEqual([ended, open, 'own-run'].sort());
  await sweep({ store, artifacts, runs }, Date.now() + 2 * DAY);
  expect(await left()).toEqual([open, 'own-run'].sort());
  await sweep({ store, artifacts, runs }, Date.now() + 31 * DAY);
  expect(await left()).toEqual([]);
});
