import { cancelled, HifiError, invalidInput } from '../foundation/errors';
import { resultOf } from '../foundation/follow';

/**
 * Promise of a result that also iterates over the events on the way. The work starts when the run
 * is first awaited or iterated. A run can be iterated once.
 *
 * ```ts
 * const report = await analyze(request); // its result alone
 *
 * const run = analyze(request);
 * for await (const event of run) console.log(event); // progress
 * const same = await run;
 * ```
 *
 * Leaving the loop (`break`, `return`, an error) ends the work, and so does an abort of `signal`:
 * the result is then a {@link HifiError} `CANCELLED`. The loop and `await` throw a `HifiError` for
 * every other error, too. The child process has ended when either of them ends.
 *
 * An `async` function that returns a run returns its result, as with any promise.
 *
 * @typeParam Event events on the way; each has a `kind`. Skip unknown kinds
 * @typeParam Result result of the work
 */
export type Run<Event, Result> = Promise<Result> & AsyncIterable<Event>;

/** Options of all long work. */
export interface RunOptions {
  /** Ends the work within a batch or a training step, with a {@link HifiError} `CANCELLED`. */
  signal?: AbortSignal;
}

/** Turns an engine's generator into a run. */
export const runOf = <Event, Result>(
  work: (signal?: AbortSignal) => AsyncGenerator<Event, Result>,
  { signal }: RunOptions = {},
): Run<Event, Result> =>
  new LazyRun(async function* () {
    if (signal?.aborted) throw cancelled();
    return yield* work(signal);
  });

class LazyRun<Event, Result> implements Promise<Result>, AsyncIterable<Event> {
  readonly [Symbol.toStringTag] = 'Run';
  private started = false;
  private readonly result: Promise<Result>;
  private settle!: { resolve(result: Result): void; reject(error: HifiError): void };

  constructor(private readonly work: () => AsyncGenerator<Event, Result>) {
    this.result = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    // The loop throws the error itself, and `await` has a promise derived from this one.
    this.result.catch(() => {});
  }

  [Symbol.asyncIterator](): AsyncGenerator<Event, Result> {
    return this.read();
  }

  // biome-ignore lint/suspicious/noThenProperty: a run is a promise
  then<A = Result, B = never>(
    taken?: ((result: Result) => A | PromiseLike<A>) | null,
    failed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (!this.started) void this.drain();
    return this.result.then(taken, failed);
  }

  catch<B = never>(failed?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<Result | B> {
    return this.then(undefined, failed);
  }

  finally(ended?: (() => void) | null): Promise<Result> {
    return this.then().finally(ended);
  }

  private async drain(): Promise<void> {
    await resultOf(this.read()).catch(() => {}); // The result rejects with the same error.
  }

  private async *read(): AsyncGenerator<Event, Result> {
    if (this.started)
      throw invalidInput('a run can be iterated once, and only before it is awaited: its events are not stored');
    this.started = true;
    try {
      const result = yield* this.work();
      this.settle.resolve(result);
      return result;
    } catch (thrown) {
      const error = HifiError.from(thrown);
      this.settle.reject(error);
      throw error;
    } finally {
      this.settle.reject(cancelled()); // No effect unless the reader has left: the promise is settled already.
    }
  }
}
