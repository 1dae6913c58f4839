import type { ArtifactStore } from './store';

/** How long a cache keeps a file that nobody uses, in milliseconds: a day, as a gateway does a file that no job has. */
const UNUSED_MS = 24 * 3600_000;
/** Between two looks, in milliseconds. */
const INTERVAL_MS = 3600_000;

/**
 * Drops the files of a cache that were not used for a day; a gateway has them still. What a call is using is a link of its own, in
 * the service's scratch folder.
 *
 * @param now milliseconds since the epoch
 */
export function sweepCache(store: ArtifactStore, now: number): void {
  for (const { sha256, time } of store.list()) if (now - time > UNUSED_MS) store.remove(sha256);
  store.dropParts(now - UNUSED_MS);
}

/**
 * Sweeps a store now and every hour, as long as it is a cache.
 *
 * @param isCache asked each time: a gateway may come to share the store, and sweeps it by its jobs
 * @returns ends that
 */
export function keepCacheSwept(
  store: ArtifactStore,
  isCache: () => boolean,
  failed: (error: unknown) => void,
): () => void {
  const look = () => {
    try {
      if (isCache()) sweepCache(store, Date.now());
    } catch (error) {
      failed(error);
    }
  };
  const timer = setInterval(look, INTERVAL_MS);
  timer.unref();
  look();
  return () => clearInterval(timer);
}
