/** Reads a generator to its end: each event goes to `see`, the result comes back. */
export async function follow<Event, Result>(
  events: AsyncGenerator<Event, Result>,
  see: (event: Event) => void | Promise<void>,
): Promise<Result> {
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      await see(value);
    }
  } finally {
    // Where `see` throws, the engine behind the generator ends too.
    await events.return(undefined as never);
  }
}

/** A generator's events that `keep` lets through, and its result. */
export async function* filtered<Event, Kept extends Event, Result>(
  events: AsyncGenerator<Event, Result>,
  keep: (event: Event) => event is Kept,
): AsyncGenerator<Kept, Result> {
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      if (keep(value)) yield value;
    }
  } finally {
    // Where the reader leaves, the engine behind the generator ends too.
    await events.return(undefined as never);
  }
}
