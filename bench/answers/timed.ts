import { setTimeout as delay } from 'node:timers/promises';

/** Calls of a block, unless the caller gives another number. */
const CALLS = 50;
/** Pause before a block: a thread pool may spin for 200 ms after its work. */
const REST_MS = 300;

/** Measures one piece of work. @returns milliseconds */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/**
 * Runs blocks of calls of each kind in turn, after one block of each as warm-up.
 *
 * @returns the milliseconds of all calls of each kind
 */
export async function inBlocks(
  kinds: readonly (() => Promise<unknown>)[],
  rounds: number,
  calls = CALLS,
): Promise<number[][]> {
  const all: number[][] = kinds.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, work] of kinds.entries()) {
      await delay(REST_MS);
      for (let call = 0; call < calls; call++) {
        const ms = await timed(work);
        if (round > 0) all[i].push(ms);
      }
    }
  }
  return all;
}

/** The 99th percentile. */
export function percentile(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(0.99 * values.length)];
}
