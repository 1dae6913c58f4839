/** File that is stored by the hash of its content. */
export interface StoredFile {
  /** SHA-256 of its bytes, in hexadecimal. */
  sha256: string;
  sizeBytes: number;
}

/** Stored file that is a result, with its name in its job, such as `delta/delta.json`. */
export interface Artifact extends StoredFile {
  name: string;
}
