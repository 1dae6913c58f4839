/*
 * GPT-2's byte-level words. The lists are what JavaScript's classes have and the Rust library's older Unicode has not; a test
 * compares each class with Rust's for every code point.
 */

const NEWER_LETTERS =
  String.raw`\u088f\u0c5c\u0cdc\ua7ce-\ua7cf\ua7d2\ua7d4\ua7f1\u{10940}-\u{10959}\u{10ec5}-\u{10ec7}\u{11db0}-\u{11ddb}` +
  String.raw`\u{16ea0}-\u{16eb8}\u{16ebb}-\u{16ed3}\u{16ff2}-\u{16ff3}\u{187f8}-\u{187ff}\u{18d09}-\u{18d1e}` +
  String.raw`\u{18d80}-\u{18df2}\u{1e6c0}-\u{1e6de}\u{1e6e0}-\u{1e6e2}\u{1e6e4}-\u{1e6e5}\u{1e6e7}-\u{1e6ed}` +
  String.raw`\u{1e6f0}-\u{1e6f4}\u{1e6fe}-\u{1e6ff}\u{2b73a}-\u{2b73f}\u{2cea2}-\u{2cead}\u{323b0}-\u{33479}`;
const NEWER_NUMBERS = String.raw`\u{11de0}-\u{11de9}\u{16ff4}-\u{16ff6}`;

const LETTER = String.raw`[\p{L}--[${NEWER_LETTERS}]]`;
const NUMBER = String.raw`[\p{N}--[${NEWER_NUMBERS}]]`;
const SPACE = String.raw`\p{White_Space}`;

/** English contractions; letters, digits or others, each with a space before it; white space but for the last before a word. */
const WORDS = new RegExp(
  String.raw`'(?:[stmd]|re|ve|ll)| ?${LETTER}+| ?${NUMBER}+| ?[^${SPACE}${LETTER}${NUMBER}]+|${SPACE}+(?!\P{White_Space})|${SPACE}+`,
  'gv',
);

export const byteLevelWords = (text: string): string[] => text.match(WORDS) ?? [];

/** Each byte as a printable character: itself where it is one in Latin-1, else the next from U+0100 on. */
const BYTE_CHARACTERS = (() => {
  let next = 0x100;
  const printable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  return Array.from({ length: 0x100 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

/** A text's bytes in UTF-8, each as the character that stands for it. */
export const byteCharacters = (text: string): string =>
  text.replace(/[^!-~]+/g, (part) => Array.from(Buffer.from(part), (byte) => BYTE_CHARACTERS[byte]).join(''));
