import type { StoredFile } from '../../foundation/stored-file';

/** State of an upload. */
export interface UploadState {
  /** Number of stored bytes. */
  offset: number;
  complete: boolean;
}

/**
 * Files stored by the SHA-256 of their bytes. A file appears whole or not at all, and never
 * changes. `FolderArtifacts` keeps them in a folder, `SharedArtifacts` in S3 with a folder as its
 * cache.
 */
export interface ArtifactStore {
  /**
   * Returns true if a file of that name exists.
   *
   * @throws HifiError INVALID_INPUT for an invalid SHA-256
   */
  has(sha256: string): Promise<boolean>;

  /**
   * Returns true if an undamaged file is stored, and marks it as used.
   *
   * @throws HifiError INVALID_INPUT for an invalid SHA-256
   */
  isWhole(sha256: string): Promise<boolean>;

  /**
   * Returns the path of a file on this machine, which stays for at least a day after its last use.
   *
   * @throws HifiError INVALID_INPUT for an invalid SHA-256; NOT_FOUND if the file is missing or
   *   damaged
   */
  path(sha256: string, signal?: AbortSignal): Promise<string>;

  /** Returns a file's size in bytes. @throws HifiError as {@link path} */
  size(sha256: string): Promise<number>;

  /** Stores an existing file; the caller may remove the original. @throws HifiError DISK_FULL */
  add(file: string, signal?: AbortSignal): Promise<StoredFile>;

  /** Stores a text. @throws HifiError DISK_FULL */
  addText(text: string): Promise<StoredFile>;

  /** Returns the state of an upload. @throws HifiError INVALID_INPUT for an invalid SHA-256 */
  upload(sha256: string): Promise<UploadState>;

  /**
   * Receives a file's bytes, from `offset` on. If the sender is interrupted, the store keeps the
   * bytes so that another call can resume. It drops bytes that are wrong or find no room.
   *
   * @param file `sizeBytes` is the size of the whole file
   * @throws HifiError INVALID_INPUT for bytes that differ from the announced number or hash, or an
   *   `offset` that is not the upload's end, of the field `size_bytes`, `sha256` or `offset`;
   *   DISK_FULL
   * @throws RpcError ABORTED if another call of this process receives the same file
   */
  receive(file: StoredFile & { offset: number }, chunks: AsyncIterable<Uint8Array>): Promise<StoredFile>;

  /**
   * Yields a file's bytes from `offset` on.
   *
   * @throws HifiError as {@link path}; INVALID_INPUT for an offset past its end
   */
  read(sha256: string, offset: number, chunkBytes: number): AsyncGenerator<Buffer>;

  /**
   * Lists all files with the time of their arrival or last use, in milliseconds since the epoch.
   */
  list(): AsyncIterable<{ sha256: string; time: number }>;

  /** Drops uploads without activity since a time, in milliseconds since the epoch. */
  dropParts(before: number): Promise<void>;

  remove(sha256: string): Promise<void>;
}
