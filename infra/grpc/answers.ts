import { Waker } from '../../foundation/waker';
/** Receives the messages of a streaming call. */
export interface Answers<M> {
  /**
   * Sends a message; settles when it is on its way. A caller that need not wait need not await it.
   */
  send(message: M): Promise<void>;
  /** Sends a progress message. A later one replaces it unless the reader has taken it. */
  progress(message: M): void;
}

/**
 * Yields a stream's messages while `work` runs at its own pace. The work does not wait for a slow
 * reader, unless it awaits what it sends. At most one progress message waits.
 *
 * @param work receives a signal that aborts with `signal` and when the reader leaves; its error
 *   ends the stream
 */
export async function* answers<M>(
  signal: AbortSignal,
  work: (answers: Answers<M>, signal: AbortSignal) => Promise<void>,
): AsyncGenerator<M, void> {
  const waiting: { message: M; isProgress: boolean; taken: () => void }[] = [];
  const left = new AbortController();
  let over = false;
  const waker = new Waker();
  const put = (message: M, isProgress: boolean) =>
    new Promise<void>((taken) => {
      if (left.signal.aborted) return taken();
      waiting.push({ message, isProgress, taken });
      waker.wake();
    });
  const progress = (message: M) => {
    const before = waiting.findIndex(({ isProgress }) => isProgress);
    if (before >= 0) waiting.splice(before, 1);
    void put(message, true);
  };
  const working = work({ send: (message) => put(message, false), progress }, AbortSignal.any([signal, left.signal]));
  const ended = working.finally(() => {
    over = true;
    waker.wake();
  });
  ended.catch(() => {}); // awaited below
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) {
        next.taken();
        yield next.message;
      } else if (over) {
        return await ended;
      } else {
        await waker.sleep();
      }
    }
  } finally {
    left.abort();
    for (const { taken } of waiting) taken();
    // The work must release its resources before the call is over.
    await ended.catch(() => {});
  }
}
