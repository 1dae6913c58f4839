import type { TokenIds } from '../data/batches';
import { invalidInput } from '../foundation/errors';
import { isJsonObject, oneLine } from '../foundation/json-file';
import { type AddedToken, addedTokenSplitter, parseAddedTokens } from './tokenizer/added-tokens';
import { bytePair } from './tokenizer/byte-pair';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizer/files';
import { type FramePart, type Frames, frames } from './tokenizer/frame';
import { unknownKind } from './tokenizer/kind';
import { normalizer } from './tokenizer/normalizer';
import { preTokenizer } from './tokenizer/pre-tokenizer';
import { unigram } from './tokenizer/unigram';
import type { Model } from './tokenizer/vocabulary';
import { wordPiece } from './tokenizer/wordpiece';

/**
 * Converts texts to the same token ids as Python's `tokenizers` with truncation `longest_first`.
 */
export interface Tokenizer {
  /**
   * Encodes a text or a pair.
   * @param second other text of a pair; an empty one is still a pair
   * @param maxLength maximum number of tokens, special tokens included; of a pair the longer text
   *   is truncated first
   */
  encode(text: string, second: string | undefined, maxLength: number): TokenIds;
  /**
   * Token ids of a text without special tokens.
   * @param atStart false for the part of a text from a space on; default true
   */
  tokenIds(text: string, atStart?: boolean): readonly number[];
  /**
   * Puts the special tokens around a text's token ids, or around a pair's.
   * @returns also the position of each text's first token
   */
  frame(texts: readonly (readonly number[])[]): TokenIds & { starts: number[] };
  /** Highest id plus one; a model's vocabulary must not be smaller. */
  readonly vocabSize: number;
}

/** Stages of a tokenizer. */
interface Stages {
  tokenIds(text: string, atStart?: boolean): number[];
  frames: Frames;
  vocabSize: number;
}

/**
 * Reads a model folder's tokenizer: WordPiece, byte-level BPE or Unigram, from `tokenizer.json` or
 * the older files ({@link readTokenizerFiles}).
 * @throws HifiError INVALID_INPUT, one line with the file and its fault
 */
export function loadTokenizer(folder: string): Tokenizer {
  const files = readTokenizerFiles(folder);
  const { tokenIds, frames, vocabSize } = build(files);
  const truncatesLeft = files.config.truncation_side === 'left';
  return {
    vocabSize,
    tokenIds,
    frame: (texts) => fill(texts.length === 1 ? frames.single : frames.pair, texts),
    encode(text, second, maxLength) {
      const parts = second === undefined ? frames.single : frames.pair;
      const texts = second === undefined ? [tokenIds(text)] : [tokenIds(text), tokenIds(second)];
      const room = maxLength - (parts.length - texts.length);
      if (room < 0)
        throw invalidInput(`maxLength is ${maxLength}; it must be ${maxLength - room} or more for the special tokens`);
      const lengths = longestFirst(
        texts.map((ids) => ids.length),
        room,
      );
      const { ids, typeIds } = fill(
        parts,
        texts.map((ids, i) => (truncatesLeft ? ids.slice(ids.length - lengths[i]) : ids.slice(0, lengths[i]))),
      );
      return { ids, typeIds };
    },
  };
}

/**
 * Number of tokens of each text after truncation: Hugging Face's `longest_first`. The longer text
 * is truncated to the shorter one's length. If that is not enough, both get half, and the longer
 * one (or the second) gets the odd token.
 */
export function longestFirst(lengths: number[], room: number): number[] {
  if (lengths.length === 1) return [Math.min(lengths[0], room)];
  const [first, second] = lengths;
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  let [less, more] = [shorter, Math.max(shorter, room - shorter)];
  if (less + more > room) {
    less = Math.floor(room / 2);
    more = room - less;
  }
  return first > second ? [more, less] : [less, more];
}

function fill(parts: readonly FramePart[], texts: readonly (readonly number[])[]): TokenIds & { starts: number[] } {
  const ids: number[] = [];
  const typeIds: number[] = [];
  const starts: number[] = [];
  for (const part of parts) {
    if ('text' in part) starts[part.text] = ids.length;
    for (const id of 'id' in part ? [part.id] : texts[part.text]) {
      ids.push(id);
      typeIds.push(part.type);
    }
  }
  return { ids, typeIds, starts };
}

/** Creates the stages of tokenizer.json, in the order in which a text passes through them. */
function build({ file, tokenizer }: TokenizerFiles): Stages {
  try {
    const { vocab, tokenize } = model(tokenizer.model);
    const added = parseAddedTokens(tokenizer.added_tokens, vocab);
    const normalize = normalizer(tokenizer.normalizer);
    const words = preTokenizer(tokenizer.pre_tokenizer);
    const wordIds = cached(tokenize);
    const splitRaw = splitter(added.filter((token) => !token.normalized));
    const splitNormal = splitter(
      added.filter((token) => token.normalized),
      normalize,
    );
    const names = new Set(added.map((token) => token.content));
    let vocabSize = 0;
    for (const id of vocab.values()) vocabSize = Math.max(vocabSize, id + 1);
    for (const { id } of added) vocabSize = Math.max(vocabSize, id + 1);
    return {
      frames: frames(tokenizer.post_processor, (token) => vocab.has(token) || names.has(token)),
      vocabSize,
      tokenIds(text, atStart = true) {
        const ids: number[] = [];
        for (const [i, piece] of splitRaw(text).entries()) {
          if (typeof piece === 'number') ids.push(piece);
          else {
            for (const [j, part] of splitNormal(normalize(piece, atStart || i > 0)).entries()) {
              if (typeof part === 'number') ids.push(part);
              else for (const word of words(part, i === 0 && j === 0)) for (const id of wordIds(word)) ids.push(id);
            }
          }
        }
        return ids;
      },
    };
  } catch (cause) {
    throw invalidInput(`${file}: the tokenizer cannot be used (${complaint(cause)})`, cause);
  }
}

/** Splits at added tokens. The first of several tokens with the same text takes precedence. */
const splitter = (tokens: readonly AddedToken[], pattern = (text: string) => text) =>
  addedTokenSplitter(new Map(tokens.map((token) => [pattern(token.content), token] as const).reverse()));

function model(json: unknown): Model {
  const type = isJsonObject(json) ? (json.type ?? typeOf(json)) : undefined;
  if (type === 'WordPiece') return wordPiece(json);
  if (type === 'BPE') return bytePair(json);
  if (type === 'Unigram') return unigram(json);
  throw new Error(unknownKind('model', ['WordPiece', 'BPE', 'Unigram'])({ input: { type } }));
}

/** Type of a model. Files of old versions do not name it. */
function typeOf(json: Record<string, unknown>): string | undefined {
  if ('merges' in json) return 'BPE';
  if ('unk_id' in json) return 'Unigram';
  return 'continuing_subword_prefix' in json ? 'WordPiece' : undefined;
}

/** Fault of a file on one line; of a schema's issues the first, with the field's name. */
function complaint(cause: unknown): string {
  const [issue] = (cause as { issues?: { path: PropertyKey[]; message: string }[] }).issues ?? [];
  return issue ? [issue.path.join('.'), issue.message].filter((each) => each !== '').join(': ') : oneLine(cause);
}

/**
 * Limits of the cache. A text has few words that occur often, so longer ones and more are not
 * cached.
 */
const CACHED_WORDS = 20_000;
const CACHED_LENGTH = 64;

function cached(tokenize: Model['tokenize']): Model['tokenize'] {
  const known = new Map<string, readonly number[]>();
  return (word) => {
    let ids = known.get(word);
    if (ids) return ids;
    ids = tokenize(word);
    if (word.length <= CACHED_LENGTH) {
      if (known.size >= CACHED_WORDS) known.clear();
      known.set(word, ids);
    }
    return ids;
  };
}
