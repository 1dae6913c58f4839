/**
 * Passes each event of a generator to `relay`, yields what that gives, and returns the generator's
 * result. The generator, and an engine behind it, ends also if `relay` throws or the reader leaves.
 */
export async function* relayed<Event, Relayed, Result>(
  events: AsyncGenerator<Event, Result>,
  relay: (event: Event) => Iterable<Relayed> | AsyncIterable<Relayed> | Promise<Iterable<Relayed>>,
): AsyncGenerator<Relayed, Result> {
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      yield* await relay(value);
    }
  } finally {
    await events.return(undefined as never);
  }
}

/** Reads a generator to its end: passes each event to `see` and returns the result. */
export async function follow<Event, Result>(
  events: AsyncGenerator<Event, Result>,
  see: (event: Event) => void | Promise<void>,
): Promise<Result> {
  const seen = relayed(events, async (event): Promise<never[]> => {
    await see(event);
    return [];
  });
  return (await seen.next()).value;
}

/** Result of a generator whose events do not matter. */
export const resultOf = <Result>(events: AsyncGenerator<unknown, Result>): Promise<Result> => follow(events, () => {});

/** Events of a generator for which `keep` returns true, and its result. */
export const filtered = <Event, Kept extends Event, Result>(
  events: AsyncGenerator<Event, Result>,
  keep: (event: Event) => event is Kept,
): AsyncGenerator<Kept, Result> => relayed(events, (event) => (keep(event) ? [event] : []));
