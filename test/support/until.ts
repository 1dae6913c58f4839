import { setTimeout as sleep } from 'node:timers/promises';

/** Default for the longest wait for another process, in milliseconds. */
const WAIT_MS = 20_000;

/**
 * Calls a function every 20 ms until its result satisfies a condition. It may fail meanwhile.
 *
 * @param what name for the error, e.g. `the span of the call`
 * @throws Error after `waitMs`, with the last result or error
 */
export async function until<T>(
  ask: () => T | Promise<T>,
  satisfies: (answer: T) => boolean,
  what: string,
  waitMs = WAIT_MS,
): Promise<T> {
  const end = performance.now() + waitMs;
  for (;;) {
    let last: unknown;
    try {
      const answer = await ask();
      if (satisfies(answer)) return answer;
      last = JSON.stringify(answer);
    } catch (error) {
      last = error;
    }
    if (performance.now() > end)
      throw new Error(`waited ${waitMs / 1000} s for ${what}, without success; last: ${last}`);
    await sleep(20);
  }
}
