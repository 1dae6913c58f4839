import { cancelled } from '../foundation/errors';
import { Waker } from '../foundation/waker';
import type { JobEventRecord } from './record';

/** Watchers that wait for a job's next change, by job. */
export class Watchers {
  private readonly waiting = new Map<string, Set<Waker>>();

  /**
   * Waits for a job's next change.
   *
   * @returns `come` settles at that change and when the signal aborts; `forget` stops the wait
   */
  next(id: string, signal: AbortSignal): { come: Promise<void>; forget: () => void } {
    const waker = new Waker();
    const waiting = this.waiting.get(id) ?? new Set();
    this.waiting.set(id, waiting.add(waker));
    const come = waker.sleep(signal).then(() => {
      waiting.delete(waker);
      if (waiting.size === 0 && this.waiting.get(id) === waiting) this.waiting.delete(id);
    });
    return { come, forget: () => waker.wake() };
  }

  /**
   * Yields a job's events, and those of each later change.
   *
   * @param read yields the events since the last call; returns true once the job has ended
   * @throws CANCELLED when the signal aborts
   */
  async *follow(
    id: string,
    signal: AbortSignal,
    read: () => AsyncGenerator<JobEventRecord, boolean>,
  ): AsyncGenerator<JobEventRecord> {
    while (!signal.aborted) {
      const change = this.next(id, signal);
      try {
        if (yield* read()) return;
        await change.come;
      } finally {
        change.forget();
      }
    }
    throw cancelled();
  }

  /** Wakes the watchers of all jobs. */
  wakeAll(): void {
    for (const id of [...this.waiting.keys()]) this.wake(id);
  }

  /** Wakes all watchers of a job. */
  wake(id: string): void {
    for (const waker of this.waiting.get(id) ?? []) waker.wake();
  }
}
