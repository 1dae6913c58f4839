import { LETTER, NUMBER, SPACE } from './pattern-classes';

/**
 * GPT-2's words: English contractions; letters, digits or others, each with a space before it;
 * white space except the last one before a word.
 */
const WORDS = new RegExp(
  String.raw`'(?:[stmd]|re|ve|ll)| ?${LETTER}+| ?${NUMBER}+| ?[^${SPACE}${LETTER}${NUMBER}]+|${SPACE}+(?!\P{White_Space})|${SPACE}+`,
  'gv',
);

/** Splits a text into GPT-2's words. */
export const byteLevelWords = (text: string): string[] => text.match(WORDS) ?? [];

/**
 * Printable character of each byte: the byte itself if it is printable in Latin-1, else the next
 * from U+0100 on.
 */
const BYTE_CHARACTERS = (() => {
  let next = 0x100;
  const printable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  return Array.from({ length: 0x100 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

/** Encodes a text as UTF-8, with a printable character for each byte. */
export const byteCharacters = (text: string): string =>
  text.replace(/[^!-~]+/g, (part) => Array.from(Buffer.from(part), (byte) => BYTE_CHARACTERS[byte]).join(''));
