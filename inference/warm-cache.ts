/** Loaded model or delta. */
export interface Warm {
  /** Size in bytes. */
  readonly bytes: number;
  /** Releases it. */
  close?(): void | Promise<void>;
}

/**
 * Cache of what is loaded, limited in bytes: the least recently used leaves first. Nothing leaves
 * but in a call, so what one call has returned may be used until the next.
 */
export class WarmCache<T extends Warm> {
  private readonly kept = new Map<string, { state: string; value: T }>();

  /**
   * Returns the value of a key. It is loaded if it is not kept, or was loaded from another state.
   *
   * @param state state of the files, which differs for changed ones
   */
  async get(key: string, state: string, load: () => T | Promise<T>): Promise<T> {
    const known = this.kept.get(key);
    this.kept.delete(key);
    const isFresh = known?.state === state;
    if (known && !isFresh) await known.value.close?.();
    const entry = isFresh ? known : { state, value: await load() };
    this.kept.set(key, entry);
    return entry.value;
  }

  /** Lets the least recently used values leave until `room` bytes more are within the limit. */
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
