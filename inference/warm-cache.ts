/** Something in memory. */
export interface Warm {
  /** Size in bytes. */
  readonly bytes: number;
  /** Releases it. */
  close?(): void | Promise<void>;
}

/** Keeps things in memory up to a limit; the least recently used leave first. */
export class WarmCache<T extends Warm> {
  private readonly kept = new Map<string, { state: string; value: T }>();

  /**
   * Returns a thing that is kept, or makes it. What is in use must not leave: `trim` between two
   * uses.
   *
   * @param state state of its source: if it has changed, the thing is made anew
   */
  async get(key: string, state: string, make: () => T | Promise<T>): Promise<T> {
    const known = this.kept.get(key);
    this.kept.delete(key);
    const entry = known?.state === state ? known : { state, value: await make() };
    this.kept.set(key, entry);
    if (known && known !== entry) await known.value.close?.();
    return entry.value;
  }

  /** Lets the least recently used things leave until `room` bytes more are within the limit. */
  async trim(limit: number, room = 0): Promise<void> {
    let bytes = room;
    for (const { value } of this.kept.values()) bytes += value.bytes;
    for (const [key, { value }] of this.kept) {
      if (bytes <= limit) return;
      this.kept.delete(key);
      bytes -= value.bytes;
      await value.close?.();
    }
  }
}
