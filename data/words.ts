/** Word of a plain text. */
export interface Word {
  text: string;
  /** Offset of its first character in the plain text, in UTF-16 units. */
  start: number;
  /** Offset after its last character. */
  end: number;
}

/** Characters that are words by themselves: punctuation and ideographs. */
const SINGLE = String.raw`\p{P}\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e\p{Script=Han}`;

const WORDS = new RegExp(`[${SINGLE}]|[^\\p{White_Space}${SINGLE}]+`, 'gu');

/** Splits a plain text into words as BERT's pre-tokenizer does, with their places. */
export const plainWords = (text: string): Word[] =>
  Array.from(text.matchAll(WORDS), ({ 0: word, index }) => ({ text: word, start: index, end: index + word.length }));
