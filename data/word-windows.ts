import { invalidInput } from '../foundation/errors';
import type { RowEncoder, TokenIds } from './batches';

/** Treatment of texts with more tokens than a model reads at once. */
export const LONG_TEXTS = ['cut', 'windows'] as const;

/** `cut` leaves out the rest of a long text; `windows` reads all of it in overlapping windows. */
export type LongTexts = (typeof LONG_TEXTS)[number];

/** Rules for encoding rows. */
export interface WindowOptions {
  /** Largest number of tokens of a window, special tokens included. */
  maxLength: number;
  longTexts: LongTexts;
  /** Number of tokens that two neighbouring windows share. */
  stride: number;
}

/** Fills in defaults: long texts are cut; windows share 64 tokens. */
export const windowOptions = ({
  maxLength,
  longTexts = 'cut',
  stride = 64,
}: Partial<WindowOptions> & { maxLength: number }) => ({ maxLength, longTexts, stride }) satisfies WindowOptions;

/** Tokenizer whose texts can be cut into windows. */
export interface WindowEncoder extends RowEncoder {
  /**
   * Token ids of a text without special tokens.
   * @param atStart false for the part of a text from a space on; default true
   */
  tokenIds(text: string, atStart?: boolean): readonly number[];
  /** Puts the special tokens around one or two texts. @returns also where each text starts */
  frame(texts: readonly (readonly number[])[]): TokenIds & { starts: number[] };
}

/**
 * Windows of a list of words, with the token ids of the text in which spaces separate them. Each
 * word's label sits on its first token, which is asked in the window with most tokens on the side
 * of the word that has fewer.
 *
 * @param causal true for a model whose tokens see only those before them. A token of the space
 *   alone has not seen the word, so the first token behind it is asked.
 */
export function wordWindows(
  encoder: WindowEncoder,
  words: readonly string[],
  options: WindowOptions,
  causal: boolean,
): TokenIds[] {
  const space = causal ? encoder.tokenIds(' ', false) : [];
  const ids: number[] = [];
  const places: Span[] = []; // of each word: its first token, and the end of its last
  for (const [at, word] of words.entries()) {
    const own = at === 0 ? encoder.tokenIds(word) : encoder.tokenIds(` ${word}`, false);
    const isApart = space.every((id, i) => id === own[i]);
    places.push([ids.length + (isApart ? space.length : 0), ids.length + own.length]);
    for (const id of own) ids.push(id);
  }
  const parts = spans(ids.length, roomOf(encoder, 1, options), options);
  const asked = parts.map(() => ({ at: [] as number[], words: [] as number[] }));
  let reached = 0; // first part that does not end before the word
  for (let word = 0; word < words.length; word++) {
    const [first, end] = places[word];
    while (reached < parts.length && parts[reached][1] <= first) reached++;
    const best = first < end ? mostContext(parts, first, end, reached) : undefined;
    if (best === undefined) continue;
    asked[best].at.push(first - parts[best][0]);
    asked[best].words.push(word);
  }
  return parts.map(([from, to], part) => {
    const { starts, ...window } = encoder.frame([ids.slice(from, to)]);
    const at = Int32Array.from(asked[part].at, (place) => starts[0] + place);
    return { ...window, asked: { at, words: Int32Array.from(asked[part].words) } };
  });
}

/**
 * Part in which a word has most context; undefined if none has its first token.
 *
 * @param reached first part that ends after the word's first token
 */
function mostContext(parts: readonly Span[], first: number, end: number, reached: number): number | undefined {
  let best: number | undefined;
  let most = Number.NEGATIVE_INFINITY;
  for (let at = reached; at < parts.length && parts[at][0] <= first; at++) {
    const [from, to] = parts[at];
    const context = Math.min(first - from, to - end);
    if (context > most) [best, most] = [at, context];
  }
  return best;
}

type Span = readonly [from: number, to: number];

/**
 * Overlapping parts of a sequence of tokens, as Python's `tokenizers` cuts them: each begins
 * `room − stride` tokens after the one before it, and the last one ends with the sequence. If long
 * texts are cut, the first part alone.
 */
export function spans(length: number, room: number, { longTexts, stride }: WindowOptions): Span[] {
  const parts: Span[] = [[0, Math.min(length, room)]];
  while (longTexts === 'windows' && parts[parts.length - 1][1] < length) {
    const from = parts.length * (room - stride);
    parts.push([from, Math.min(length, from + room)]);
  }
  return parts;
}

/**
 * Number of tokens of the texts that fit into a window.
 * @throws HifiError INVALID_INPUT if there is none, or neighbouring windows cannot share `stride`
 */
export function roomOf(encoder: WindowEncoder, texts: number, { maxLength, longTexts, stride }: WindowOptions): number {
  const special = encoder.frame(Array.from({ length: texts }, () => [])).ids.length;
  const room = maxLength - special;
  if (room < 1) {
    throw invalidInput(`maxLength is ${maxLength}; it must be ${special + 1} or more: ${special} tokens are special`);
  }
  if (longTexts === 'windows' && stride >= room) {
    throw invalidInput(
      `stride is ${stride}; it must be below ${room}, the tokens of a text that fit into a window of ${maxLength}`,
    );
  }
  return room;
}
