/** Function that ends a started part. */
export type End = () => void | Promise<void>;

/** Started parts, each with the function that ends it. */
export class Parts {
  private readonly ends: End[] = [];
  private ending: Promise<void> | undefined;

  /**
   * Starts parts one after the other. If one fails, the earlier ones end in reverse order, and the
   * failure is thrown.
   *
   * @param start passes each part's end to `add` as soon as there is something to end
   * @returns the result of `start`, and a function that ends all parts
   */
  static async start<T>(start: (parts: Parts) => T | Promise<T>): Promise<{ started: T; end: () => Promise<void> }> {
    const parts = new Parts();
    try {
      return { started: await start(parts), end: () => parts.end() };
    } catch (error) {
      // The reason of the failed start takes precedence over errors of an end.
      await parts.end().catch(() => {});
      throw error;
    }
  }

  /** Registers a part; `end` ends it, after all later parts. */
  add(end: End): void {
    this.ends.push(end);
  }

  /**
   * Ends all parts once, in reverse order. A failing end does not prevent the others.
   *
   * @throws the first such error
   */
  end(): Promise<void> {
    this.ending ??= this.endAll();
    return this.ending;
  }

  private async endAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const end of this.ends.reverse()) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
