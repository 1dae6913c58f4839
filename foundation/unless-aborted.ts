import { onAbort } from './on-abort';

/**
 * Settles as a promise, or rejects with the signal's reason once that aborts. Leaves no listener on
 * the signal.
 */
export async function unlessAborted<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(signal.reason));
    work.then(resolve, reject).then(forget);
  });
}
