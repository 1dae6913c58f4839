/** What ends a part that was started. */
export type End = () => void | Promise<void>;

/** Parts that were started, each with what ends it. */
export class Parts {
  private readonly ends: End[] = [];
  private ending: Promise<void> | undefined;

  /**
   * Starts parts one after the other. Where one fails, those before it end, the last first, and the failure is thrown.
   *
   * @param start hands each part's end to `add` as soon as there is something to end
   * @returns what `start` returned, and the end of all of it
   */
  static async start<T>(start: (parts: Parts) => T | Promise<T>): Promise<{ started: T; end: () => Promise<void> }> {
    const parts = new Parts();
    try {
      return { started: await start(parts), end: () => parts.end() };
    } catch (error) {
      // Why it could not start counts, not what its end comes to.
      await parts.end().catch(() => {});
      throw error;
    }
  }

  /** A part has begun; `end` ends it, after all that begin later. */
  add(end: End): void {
    this.ends.push(end);
  }

  /** Ends all parts, the last first, once. A part that cannot be ended keeps no other from its end. @throws the first such error */
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
