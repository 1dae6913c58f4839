import { setTimeout as sleep } from 'node:timers/promises';

/** How long a test waits for another process by default, in milliseconds. */
const WAIT_MS = 20_000;

/**
 * Asks again and again, every 20 ms, until the answer satisfies. Asking may fail meanwhile.
 *
 * @param what named when it never does, e.g. `the span of the call`
 * @throws Error when `waitMs` are over, with the last answer or error
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
    if (performance.now() > end) throw new Error(`waited ${waitMs / 1000} s in vain for ${what}; at last: ${last}`);
    await sleep(20);
  }
}
