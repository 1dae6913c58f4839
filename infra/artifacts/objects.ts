/** Object of a store. */
export interface StoredObject {
  /** Name below the store's root, such as `sha256/1f…`. */
  key: string;
  sizeBytes: number;
  /** Time of its writing, in milliseconds since the epoch. */
  time: number;
}

/**
 * Named objects, in a folder or in S3. An object appears whole or not at all. Names consist of
 * letters, digits, dots, underscores, hyphens and slashes.
 */
export interface Objects {
  /** Returns an object's size and time; undefined if it does not exist. */
  stat(key: string, signal?: AbortSignal): Promise<StoredObject | undefined>;

  /** Lists the objects whose names begin with `prefix`, which ends with a slash. */
  list(prefix: string, signal?: AbortSignal): AsyncGenerator<StoredObject>;

  /** Stores a file; replaces an object of that name. */
  put(key: string, file: string, signal?: AbortSignal): Promise<void>;

  /** Stores a short text; replaces an object of that name. */
  putText(key: string, text: string, signal?: AbortSignal): Promise<void>;

  /**
   * Yields an object's bytes from `offset` on, which must be less than its size unless it is 0.
   *
   * @throws HifiError NOT_FOUND
   */
  read(key: string, offset: number, signal?: AbortSignal): AsyncGenerator<Uint8Array>;

  /** Removes objects, of which any may be missing. */
  remove(keys: readonly string[]): Promise<void>;

  /** Drops unfinished uploads that began before a time, in milliseconds since the epoch. */
  dropParts(before: number): Promise<void>;
}

/** Reads a short object as text. @throws HifiError NOT_FOUND */
export async function readText(objects: Objects, key: string, signal?: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of objects.read(key, 0, signal)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
