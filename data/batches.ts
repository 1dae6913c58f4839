import { invalidInput } from '../foundation/errors';
import { type Dataset, rowName } from './dataset';
import { randomStream } from './random';

/** A row as the tokenizer gives it, special tokens included: S token ids and as many segment ids. */
export interface TokenIds {
  ids: number[];
  typeIds: number[];
}

/** The same, where many are held: five bytes a token. */
export interface CompactTokenIds {
  ids: Int32Array;
  typeIds: Uint8Array;
}

export type Encoded = TokenIds | CompactTokenIds;

/** What turns a text, or a pair, into at most `maxLength` tokens: the model's tokenizer. */
export interface RowEncoder {
  encode(text: string, second: string | undefined, maxLength: number): TokenIds;
}

/** How many tokens and segments a model has embeddings for. */
export interface EmbeddingLimits {
  vocabSize: number;
  /** 0 for a model without segments: it reads no segment ids. */
  typeVocabSize: number;
}

/**
 * Encodes the given rows (indices into the dataset) in their order.
 *
 * @param limits of the model that is to read them
 * @throws HifiError INVALID_INPUT, naming file and row, for a row without tokens, or an id that the model has no embedding for
 */
export function encodeRows(
  dataset: Dataset,
  rows: ArrayLike<number>,
  encoder: RowEncoder,
  maxLength: number,
  limits: EmbeddingLimits,
): CompactTokenIds[] {
  return Array.from(rows, (row) => {
    const encoded = encoder.encode(dataset.texts[row], dataset.seconds?.[row], maxLength);
    const wrong = unreadable(encoded, limits);
    if (wrong !== undefined) throw invalidInput(`${rowName(dataset, row)} ${wrong}`);
    return { ids: Int32Array.from(encoded.ids), typeIds: Uint8Array.from(encoded.typeIds) };
  });
}

/** What of a row a model cannot read; undefined where it can read it all. */
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

/** Tokens of each row. */
export const lengthsOf = (rows: readonly Encoded[]) => Int32Array.from(rows, (row) => row.ids.length);

/** Batches whose lengths are sorted together in training: large enough for little padding, small enough to stay random. */
const CHUNK_BATCHES = 50;

/**
 * An epoch's batches for training: each row exactly once, ⌈rows / batchSize⌉ batches of like lengths, their composition
 * and order drawn anew each epoch. A pure function of its arguments.
 * @param lengths tokens of each row
 * @param epoch from 0
 * @returns for each batch the rows' indices; one batch may be smaller than `batchSize`
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
 * The batches of an evaluation: all rows sorted by length (ties in row order), cut from the shortest on. The indices tell
 * where each result belongs.
 */
export function evaluationBatches(lengths: ArrayLike<number>, batchSize: number): Int32Array[] {
  const rows = Int32Array.from({ length: lengths.length }, (_, row) => row);
  return inBatches(sortedByLength(rows, lengths), batchSize);
}

// Stable: rows of one length keep their order.
const sortedByLength = (rows: Int32Array, lengths: ArrayLike<number>) =>
  Int32Array.from(Array.from(rows).sort((a, b) => lengths[a] - lengths[b]));

function inBatches(rows: Int32Array, batchSize: number): Int32Array[] {
  const count = Math.ceil(rows.length / batchSize);
  return Array.from({ length: count }, (_, i) => rows.slice(i * batchSize, (i + 1) * batchSize));
}

/** A batch padded on the right to its longest row. */
export interface PaddedBatch {
  /** [B, S] token ids, row by row. */
  ids: Int32Array;
  /** [B, S] segment ids; 0 where padded. */
  typeIds: Int32Array;
  /** [B, S] 1 for a real token, 0 for padding. */
  mask: Int32Array;
  /** [B] real tokens of each row. */
  lengths: Int32Array;
  B: number;
  S: number;
}

/**
 * Lays rows out as matrices.
 * @param padId the padding token's id
 * @param multiple S is rounded up to a multiple of this; default 1
 * @throws RangeError for a batch without rows or a row without tokens
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
