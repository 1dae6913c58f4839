import type { ArtifactStore } from './store';

/**
 * Lifetime of an unused cached file, in milliseconds: a day, as for an unused file of a gateway.
 */
const UNUSED_MS = 24 * 3600_000;
/** Interval between two sweeps, in milliseconds. */
const INTERVAL_MS = 3600_000;

/** What a sweep needs of a cache. */
type SweptCache = Pick<ArtifactStore, 'list' | 'remove' | 'dropParts'>;

/**
 * Removes cached files that were not used for a day; they can be fetched or computed again. A
 * running call uses a hard link or an open file of its own.
 *
 * @param now milliseconds since the epoch
 */
export async function sweepCache(store: SweptCache, now: number): Promise<void> {
  for await (const { sha256, time } of store.list()) if (now - time > UNUSED_MS) await store.remove(sha256);
  await store.dropParts(now - UNUSED_MS);
}

/**
 * Sweeps a store now and every hour, as long as it is a cache.
 *
 * @param isCache called before each sweep: a gateway that shares the store sweeps it by its jobs
 * @returns a function that stops the sweeps and settles when a running one has ended
 */
export function keepCacheSwept(
  store: SweptCache,
  isCache: () => boolean,
  failed: (error: unknown) => void,
): () => Promise<void> {
  let running = Promise.resolve();
  const run = () => {
    if (isCache()) running = sweepCache(store, Date.now()).catch(failed);
  };
  const timer = setInterval(run, INTERVAL_MS);
  timer.unref();
  run();
  return () => {
    clearInterval(timer);
    return running;
  };
}
