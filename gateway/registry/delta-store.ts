import type { NamedDelta } from './named-delta';

/** Registered deltas. Removed names keep a record without versions, which no list shows. */
export interface DeltaStore {
  /** Returns a name's record with the revision of the registry, see `GetDeltaResponse`. */
  get(name: string): Promise<{ delta: NamedDelta | undefined; revision: string }>;

  /**
   * Changes a name's record. No other change comes in between.
   *
   * @param change computes the record; it may run again, on a record that is newer
   * @returns the record after the change
   * @throws what `change` throws, and nothing changes then; HifiError DISK_FULL
   */
  change(name: string, change: (before: NamedDelta | undefined) => NamedDelta): Promise<NamedDelta>;

  /**
   * Yields the records that have versions, sorted by name.
   *
   * @param from first name
   */
  list(from?: string): Iterable<NamedDelta>;

  /** Calls back whenever a name changes. @returns a function that stops it */
  onChange(changed: () => void): () => void;
}
