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
