import type { ArtifactStore } from '../artifacts/store';
import { hasEnded, type JobRecord } from './record';
import type { JobStore } from './store';

/** How long a job that has ended is kept, and its events on NATS, in milliseconds: thirty days. */
export const JOB_MS = 30 * 24 * 3600_000;
/** How long a file is kept that no job has (yet), in milliseconds: a day. */
const FILE_MS = 24 * 3600_000;
/** Between two looks, in milliseconds. */
const INTERVAL_MS = 3600_000;

/** Forgets a job that has ended, and the files that no other job has. */
export async function deleteJob(id: string, store: JobStore, artifacts: ArtifactStore): Promise<void> {
  const own = filesOf(store.get(id));
  await store.delete(id);
  const others = usedFiles(store);
  for (const sha256 of own) if (!others.has(sha256)) artifacts.remove(sha256);
}

/** Forgets what was kept long enough. @param now milliseconds since the epoch */
export async function sweep(store: JobStore, artifacts: ArtifactStore, now: number): Promise<void> {
  const old = [...store.list()].filter((record) => hasEnded(record) && now - record.updateTime > JOB_MS);
  for (const { id } of old) await store.delete(id);
  const used = usedFiles(store);
  for (const { sha256, time } of artifacts.list()) {
    if (now - time > FILE_MS && !used.has(sha256)) artifacts.remove(sha256);
  }
  artifacts.dropParts(now - FILE_MS);
}

/** Sweeps now and every hour. @returns ends that */
export function keepSweeping(store: JobStore, artifacts: ArtifactStore, failed: (error: unknown) => void): () => void {
  const look = () => void sweep(store, artifacts, Date.now()).catch(failed);
  const timer = setInterval(look, INTERVAL_MS);
  timer.unref();
  look();
  return () => clearInterval(timer);
}

function usedFiles(store: JobStore): Set<string> {
  const used = new Set<string>();
  for (const record of store.list()) for (const sha256 of filesOf(record)) used.add(sha256);
  return used;
}

/** The files that a job has made, and those that its spec names. */
function filesOf({ artifacts, spec }: JobRecord): string[] {
  const { train, dev } = spec as Record<'train' | 'dev', { artifact?: string } | undefined>;
  const given = [train, dev].flatMap((rows) => (rows?.artifact ? [rows.artifact] : []));
  return [...artifacts.map(({ sha256 }) => sha256), ...given];
}
