/** Reads a generator to its end. Calls `see` with each event and returns the result. */
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
    // If `see` throws, the engine behind the generator ends too.
    await events.return(undefined as never);
  }
}

/** Generator with the events that `keep` accepts, and with the same result. */
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
    // If the reader leaves, the engine behind the generator ends too.
    await events.return(undefined as never);
  }
}
