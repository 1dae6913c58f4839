import { invalidInput } from '../foundation/errors';
import { type Dataset, rowName } from './dataset';
import { randomStream } from './random';

/** Encoded row: S token ids and as many segment ids, special tokens included. */
export interface TokenIds {
  ids: number[];
  typeIds: number[];
  asked?: AskedTokens;
}

/** Encoded row in five bytes per token, for large datasets. */
export interface CompactTokenIds {
  ids: Int32Array;
  typeIds: Uint8Array;
  asked?: AskedTokens;
}

/** Tokens of an encoded row that have logits of their own: the first of each word. */
export interface AskedTokens {
  /** Positions in the encoded row, ascending. */
  at: Int32Array;
  /** Number of each token's word in the row. */
  words: Int32Array;
}

/** Encoded row in either form. */
export type Encoded = TokenIds | CompactTokenIds;

/** Tokenizer of a model: encodes a text, or a pair, to at most `maxLength` tokens. */
export interface RowEncoder {
  encode(text: string, second: string | undefined, maxLength: number): TokenIds;
}

/** Sizes of a model's embedding tables. */
export interface EmbeddingLimits {
  vocabSize: number;
  /** Number of segments; 0 for a model that reads no segment ids. */
  typeVocabSize: number;
}

/**
 * Encodes rows of a dataset, in the given order.
 *
 * @param rows indices into the dataset
 * @param limits sizes of the reading model's embedding tables
 * @throws HifiError INVALID_INPUT, with file and row, if a row has no tokens, or an id that the
 *   model has no embedding for
 */
export function encodeRows(
  dataset: Dataset,
  rows: ArrayLike<number>,
  encoder: RowEncoder,
  maxLength: number,
  limits: EmbeddingLimits,
): CompactTokenIds[] {
  return Array.from(rows, (row) =>
    readable(dataset, row, encoder.encode(dataset.texts[row], dataset.seconds?.[row], maxLength), limits),
  );
}

/** Checks an encoded row and makes it compact. @throws as {@link encodeRows} */
export function readable(dataset: Dataset, row: number, encoded: TokenIds, limits: EmbeddingLimits): CompactTokenIds {
  const wrong = unreadable(encoded, limits);
  if (wrong !== undefined) throw invalidInput(`${rowName(dataset, row)} ${wrong}`);
  const { ids, typeIds, asked } = encoded;
  return { ids: Int32Array.from(ids), typeIds: Uint8Array.from(typeIds), ...(asked && { asked }) };
}

/** Describes why the model cannot read a row; undefined if it can. */
function unreadable({ ids, typeIds }: TokenIds, { vocabSize, typeVocabSize }: EmbeddingLimits): string | undefined {
  if (ids.length === 0) return 'gives no tokens; at least one is needed';
  const id = ids.find((each) => !(each >= 0 && each < vocabSize));
  if (id !== undefined) {
    return `gives token id ${id}; the model's vocabulary ends at ${vocabSize - 1}: is the tokenizer its own?`;
  }
  const type = typeVocabSize > 0 ? typeIds.find((each) => !(each >= 0 && each < typeVocabSize)) : undefined;
  if (type === undefined) return undefined;
  const segments = typeVocabSize === 1 ? 'one segment: it cannot read pairs' : `${typeVocabSize} segments`;
  return `gives segment ${type}; the model has ${segments}`;
}

/** Number of tokens of each row. */
export const lengthsOf = (rows: readonly Encoded[]) => Int32Array.from(rows, (row) => row.ids.length);

/**
 * Number of batches whose rows are sorted by length together in training. Large enough for little
 * padding, small enough to stay random.
 */
const CHUNK_BATCHES = 50;

/**
 * Training batches of one epoch: each row exactly once, in ⌈rows / batchSize⌉ batches of similar
 * lengths. Their composition and order differ from epoch to epoch. A pure function of its
 * arguments.
 * @param lengths number of tokens of each row
 * @param epoch number of the epoch, from 0
 * @returns row indices of each batch; one batch may be smaller than `batchSize`
 */
export function likeLengthBatches(
  lengths: ArrayLike<number>,
  { batchSize, seed, epoch }: { batchSize: number; seed: number; epoch: number },
): Int32Array[] {
  const random = randomStream(seed, `shuffle/${epoch}`);
  const shuffled = random.shuffle(lengths.length);
  const batches: Int32Array[] = [];
  for (let start = 0; start < shuffled.length; start += CHUNK_BATCHES * batchSize) {
    const chunk = shuffled.subarray(start, start + CHUNK_BATCHES * batchSize);
    batches.push(...inBatches(sortedByLength(chunk, lengths), batchSize));
  }
  return Array.from(random.shuffle(batches.length), (at) => batches[at]);
}

/**
 * Evaluation batches: all rows, shortest first; rows of equal length stay in row order. The indices
 * show where each result belongs.
 */
export function evaluationBatches(lengths: ArrayLike<number>, batchSize: number): Int32Array[] {
  const rows = Int32Array.from({ length: lengths.length }, (_, row) => row);
  return inBatches(sortedByLength(rows, lengths), batchSize);
}

// Stable: rows of equal length keep their order.
const sortedByLength = (rows: Int32Array, lengths: ArrayLike<number>) =>
  Int32Array.from(Array.from(rows).sort((a, b) => lengths[a] - lengths[b]));

function inBatches(rows: Int32Array, batchSize: number): Int32Array[] {
  const count = Math.ceil(rows.length / batchSize);
  return Array.from({ length: count }, (_, i) => rows.slice(i * batchSize, (i + 1) * batchSize));
}

/** Batch, padded on the right to its longest row. */
export interface PaddedBatch {
  /** Token ids, [B, S], row by row. */
  ids: Int32Array;
  /** Segment ids, [B, S]; 0 in the padding. */
  typeIds: Int32Array;
  /** 1 for a real token, 0 for padding, [B, S]. */
  mask: Int32Array;
  /** Number of real tokens of each row, [B]. */
  lengths: Int32Array;
  B: number;
  S: number;
}

/**
 * Pads rows to matrices.
 * @param padId id of the padding token
 * @param multiple S is rounded up to a multiple of this; default 1
 * @throws RangeError for a batch without rows, or a row without tokens
 */
export function padBatch(rows: readonly Encoded[], padId: number, multiple = 1): PaddedBatch {
  const lengths = lengthsOf(rows);
  if (rows.length === 0 || lengths.includes(0)) throw new RangeError('a batch needs a row, and each row a token');
  const B = rows.length;
  const S = Math.ceil(lengths.reduce((a, b) => Math.max(a, b)) / multiple) * multiple;
  const ids = new Int32Array(B * S).fill(padId); // [B, S]
  const typeIds = new Int32Array(B * S); // [B, S]
  const mask = new Int32Array(B * S); // [B, S]
  for (const [b, row] of rows.entries()) {
    ids.set(row.ids, b * S);
    typeIds.set(row.typeIds, b * S);
    mask.fill(1, b * S, b * S + row.ids.length);
  }
  return { ids, typeIds, mask, lengths, B, S };
}
