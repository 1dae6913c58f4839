import { setImmediate } from 'node:timers/promises';
import { HifiError } from '../foundation/errors';
import type { RunStore } from '../infra/artifacts/run-store';
import type { ArtifactStore } from '../infra/artifacts/store';
import { hasEnded } from './record';
import { removeIfUnused } from './removal';
import { isJobId, type JobStore } from './store';

/** Retention of an ended job and of its events on NATS, in milliseconds: thirty days. */
export const JOB_MS = 30 * 24 * 3600_000;
/** Retention of a file that no job uses, in milliseconds: a day. */
const FILE_MS = 24 * 3600_000;
/** Interval of the sweeps, in milliseconds. */
const INTERVAL_MS = 3600_000;

/** Number of files that are checked before other calls get a turn. */
const FILES_A_TURN = 100;

/**
 * Deletes an ended job, and those of its files that nothing else uses.
 *
 * @throws HifiError NOT_FOUND; DISK_FULL
 */
export async function deleteJob(id: string, store: JobStore, artifacts: ArtifactStore): Promise<void> {
  await removeUnused(await store.delete(id), store, artifacts);
}

/**
 * Removes those of some files that nothing uses. Does nothing if other gateways use the store: one
 * of them may hold a file, and a sweep removes it a day after its last use.
 */
export async function removeUnused(files: Iterable<string>, store: JobStore, artifacts: ArtifactStore): Promise<void> {
  if (store.shared) return;
  for (const sha256 of files) await removeIfUnused(sha256, store, artifacts);
}

/** Stores that a sweep cleans up. */
export interface Swept {
  store: JobStore;
  artifacts: ArtifactStore;
  runs?: RunStore;
}

/** Deletes expired jobs, files and checkpoints. @param now milliseconds since the epoch */
export async function sweep({ store, artifacts, runs }: Swept, now: number): Promise<void> {
  for (const id of await store.endedBefore(now - JOB_MS)) {
    await deleteJob(id, store, artifacts).catch((error) => {
      if (HifiError.from(error).code !== 'NOT_FOUND') throw error; // a client has deleted it meanwhile
    });
  }
  let seen = 0;
  for await (const { sha256, time } of artifacts.list()) {
    if (++seen % FILES_A_TURN === 0) await setImmediate();
    if (now - time > FILE_MS) await removeIfUnused(sha256, store, artifacts);
  }
  await artifacts.dropParts(now - FILE_MS);
  // A trainer that was paused may have written for a job that has ended since.
  for await (const { run, time } of runs?.list() ?? []) {
    if (now - time > JOB_MS || (now - time > FILE_MS && (await isOfEnded(run, store)))) await runs?.remove(run);
  }
}

/** Returns true if a run belongs to a job that has ended. A client may name runs of its own. */
async function isOfEnded(run: string, store: JobStore): Promise<boolean> {
  if (!isJobId(run)) return false;
  try {
    return hasEnded(await store.get(run));
  } catch (error) {
    if (HifiError.from(error).code === 'NOT_FOUND') return false;
    throw error;
  }
}

/** Sweeps now and every hour. @returns a function that stops it */
export function keepSweeping(swept: Swept, failed: (error: unknown) => void): () => void {
  const run = () => void sweep(swept, Date.now()).catch(failed);
  const timer = setInterval(run, INTERVAL_MS);
  timer.unref();
  run();
  return () => clearInterval(timer);
}
