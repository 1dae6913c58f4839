import { z } from 'zod';
import { literalSource } from './rust-pattern';

const addedTokens = z.array(
  z.object({
    content: z.string(),
    single_word: z.boolean().default(false),
    lstrip: z.boolean().default(false),
    rstrip: z.boolean().default(false),
    normalized: z.boolean().default(true),
  }),
);

/** Token that is found in the text itself, before the text is split into words. */
export type AddedToken = z.infer<typeof addedTokens>[number] & { id: number };

/** Parses `added_tokens` of tokenizer.json. */
export const parseAddedTokens = (json: unknown, vocab: ReadonlyMap<string, number>): AddedToken[] =>
  numbered(addedTokens.parse(json ?? []), vocab);

/**
 * Assigns ids to added tokens: the vocabulary's, else the next free ones in order. The ids in the
 * file are ignored.
 */
export function numbered<Token extends { content: string }>(
  tokens: readonly Token[],
  vocab: ReadonlyMap<string, number>,
): (Token & { id: number })[] {
  const ids = new Map<string, number>();
  let next = vocab.size;
  return tokens
    .filter(({ content }) => content !== '')
    .map((token) => {
      const id = vocab.get(token.content) ?? ids.get(token.content) ?? next;
      ids.set(token.content, id);
      next = Math.max(next, id + 1);
      return { ...token, id };
    });
}

/** Text, or the id of an added token. */
export type Piece = string | number;

const ENDS_IN_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const STARTS_IN_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
/** One code unit of white space; none needs two. */
const SPACE = /^\p{White_Space}$/u;

/**
 * Creates a function that splits a text at added tokens: at the leftmost match, of several the
 * longest. Empty pieces are dropped.
 * @param patterns tokens by the text that stands for each
 */
export function addedTokenSplitter(patterns: ReadonlyMap<string, AddedToken>): (text: string) => Piece[] {
  if (patterns.size === 0) return (text) => (text === '' ? [] : [text]);
  // A regular expression takes the first alternative that matches, so the longest come first.
  const longestFirst = [...patterns.keys()].sort((a, b) => b.length - a.length);
  const any = new RegExp(longestFirst.map(literalSource).join('|'), 'gu');
  return (text) => {
    const pieces: Piece[] = [];
    let done = 0;
    for (const match of text.matchAll(any)) {
      const token = patterns.get(match[0])!;
      let start = match.index;
      let end = start + match[0].length;
      if (token.single_word && insideWord(text, start, end)) continue;
      if (token.lstrip) while (start > done && SPACE.test(text[start - 1])) start--;
      if (token.rstrip) while (end < text.length && SPACE.test(text[end])) end++;
      if (start > done) pieces.push(text.slice(done, start));
      pieces.push(token.id);
      done = end;
    }
    if (done < text.length) pieces.push(text.slice(done));
    return pieces;
  };
}

/** Returns true if a letter, mark, digit or joiner is beside `text[start … end)`. */
const insideWord = (text: string, start: number, end: number) =>
  ENDS_IN_WORD.test(text.slice(Math.max(0, start - 2), start)) || STARTS_IN_WORD.test(text.slice(end, end + 2));
