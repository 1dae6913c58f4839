import { cancelled } from './errors';

/**
 * Lets the event loop run between two steps of work that blocks the thread, so that a pending
 * signal can abort.
 *
 * @throws HifiError CANCELLED if the signal has aborted
 */
export async function breathe(signal?: AbortSignal): Promise<void> {
  await new Promise(setImmediate);
  if (signal?.aborted) throw cancelled();
}
