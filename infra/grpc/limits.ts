/** The largest message that is taken or sent, in bytes: the full report of BERT-large's 384 heads has 4 MB. */
export const MESSAGE_BYTES = 64 << 20;
/** Of a call's metadata, in bytes. */
export const METADATA_BYTES = 16 << 10;
/** Of a piece of a file in a stream, in bytes. */
export const CHUNK_BYTES = 1 << 20;
