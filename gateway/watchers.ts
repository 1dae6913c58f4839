/** Watchers that wait for a job's next change, by job. */
export class Watchers {
  private readonly waiting = new Map<string, Set<() => void>>();

  /**
   * Waits for a job's next change.
   *
   * @returns `come` settles at that change and when the signal aborts; `forget` stops the wait
   */
  next(id: string, signal: AbortSignal): { come: Promise<void>; forget: () => void } {
    let forget = () => {};
    const come = new Promise<void>((resolve) => {
      const waiting = this.waiting.get(id) ?? new Set();
      this.waiting.set(id, waiting);
      forget = () => {
        waiting.delete(forget);
        if (waiting.size === 0 && this.waiting.get(id) === waiting) this.waiting.delete(id);
        signal.removeEventListener('abort', forget);
        resolve();
      };
      waiting.add(forget);
      signal.addEventListener('abort', forget, { once: true });
    });
    return { come, forget };
  }

  /** Wakes all watchers of a job. */
  wake(id: string): void {
    for (const forget of [...(this.waiting.get(id) ?? [])]) forget();
  }
}
