/**
 * Calls `act` when a signal aborts, or at once if it has aborted.
 *
 * @returns a function that removes the listener
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted) act();
  else signal?.addEventListener('abort', act, { once: true });
  return () => signal?.removeEventListener('abort', act);
}
