/** Largest message in bytes: the full report of BERT-large's 384 heads has 4 MB. */
export const MESSAGE_BYTES = 64 << 20;
/** Largest metadata of a call, in bytes. */
export const METADATA_BYTES = 16 << 10;
/** Largest chunk of a file in a stream, in bytes. */
export const CHUNK_BYTES = 1 << 20;
