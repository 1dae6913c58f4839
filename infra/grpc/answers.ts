import { Waker } from '../../foundation/waker';
/** Where a call that streams puts its messages. */
export interface Answers<M> {
  /** Settles when the message is on its way; who need not wait for that need not await it. */
  send(message: M): Promise<void>;
  /** A message that a later one makes old: the reader who has not taken it by then gets the later one alone. */
  progress(message: M): void;
}

/**
 * A stream's messages while `work` runs at its own pace: it does not wait for a slow reader, unless it awaits what it sends. Of
 * progress one message at most waits.
 *
 * @param work is given a signal that aborts as `signal` does, and when the reader leaves; what it throws ends the stream
 */
export async function* answers<M>(
  signal: AbortSignal,
  work: (answers: Answers<M>, signal: AbortSignal) => Promise<void>,
): AsyncGenerator<M, void> {
  const waiting: { message: M; old: boolean; taken: () => void }[] = [];
  const left = new AbortController();
  let over = false;
  const waker = new Waker();
  const put = (message: M, old: boolean) =>
    new Promise<void>((taken) => {
      if (left.signal.aborted) return taken();
      waiting.push({ message, old, taken });
      waker.wake();
    });
  const progress = (message: M) => {
    const before = waiting.findIndex(({ old }) => old);
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
    // What the work holds is given back before the call is over.
    await ended.catch(() => {});
  }
}
