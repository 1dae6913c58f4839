import { cancelled, HifiError, invalidInput } from '../foundation/errors';
import { resultOf } from '../foundation/follow';

/**
 * Work that takes a while: a promise of its result that can be looped over for what it tells on the way. It starts when it is first
 * awaited or looped over, and can be looped over once.
 *
 * ```ts
 * const report = await analyze(request); // its result alone
 *
 * const run = analyze(request);
 * for await (const event of run) console.log(event); // progress
 * const same = await run;
 * ```
 *
 * Leaving the loop (`break`, `return`, an error) ends the work, and so does the `signal` that it was given: then the result is a
 * {@link HifiError} `CANCELLED`. Every other error is a `HifiError` too, thrown by the loop and by `await`. The process that computes is
 * gone when either has ended.
 *
 * An `async` function that returns a run returns its result, as with any promise.
 *
 * @typeParam Event what it tells: each has a `kind`. Pass over those that you do not know
 * @typeParam Result what `await` gives
 */
export type Run<Event, Result> = Promise<Result> & AsyncIterable<Event>;

/** How any work of the library is run. */
export interface RunOptions {
  /** Ends the work, within a batch or a training step: its result is a {@link HifiError} `CANCELLED`. */
  signal?: AbortSignal;
}

/** An engine's generator as a run. */
export const runOf = <Event, Result>(
  work: (signal?: AbortSignal) => AsyncGenerator<Event, Result>,
  { signal }: RunOptions = {},
): Run<Event, Result> =>
  new Reading(async function* () {
    if (signal?.aborted) throw cancelled();
    return yield* work(signal);
  });

class Reading<Event, Result> implements Promise<Result>, AsyncIterable<Event> {
  readonly [Symbol.toStringTag] = 'Run';
  private begun = false;
  private readonly result: Promise<Result>;
  private settle!: { resolve(result: Result): void; reject(error: HifiError): void };

  constructor(private readonly work: () => AsyncGenerator<Event, Result>) {
    this.result = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    // Who loops over it hears of an error there; who awaits it has a promise that was made of this one.
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
    if (!this.begun) void this.drain();
    return this.result.then(taken, failed);
  }

  catch<B = never>(failed?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<Result | B> {
    return this.then(undefined, failed);
  }

  finally(ended?: (() => void) | null): Promise<Result> {
    return this.then().finally(ended);
  }

  private async drain(): Promise<void> {
    await resultOf(this.read()).catch(() => {}); // the result reports the error
  }

  private async *read(): AsyncGenerator<Event, Result> {
    if (this.begun) throw invalidInput('a run can be looped over once, and before it is awaited: what it told is gone');
    this.begun = true;
    try {
      const result = yield* this.work();
      this.settle.resolve(result);
      return result;
    } catch (thrown) {
      const error = HifiError.from(thrown);
      this.settle.reject(error);
      throw error;
    } finally {
      this.settle.reject(cancelled()); // The reader has left; else it has settled before.
    }
  }
}
