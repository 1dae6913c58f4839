/*
 * Character classes of patterns, as Oniguruma defines them in Python's `tokenizers`. A test
 * compares each with the library's for every code point.
 */

/**
 * Characters that JavaScript knows but the library's Unicode (16) does not: no class of the library
 * contains them.
 */
const NEWER =
  String.raw`\u088f\u0c5c\u0cdc\u1acf-\u1add\u1ae0-\u1aeb\u20c1\u2b96\ua7ce-\ua7cf\ua7d2\ua7d4\ua7f1` +
  String.raw`\ufbc3-\ufbd2\ufd90-\ufd91\ufdc8-\ufdce\u{10940}-\u{10959}\u{10ec5}-\u{10ec7}` +
  String.raw`\u{10ed0}-\u{10ed8}\u{10efa}-\u{10efb}\u{11b60}-\u{11b67}\u{11db0}-\u{11ddb}` +
  String.raw`\u{11de0}-\u{11de9}\u{16ea0}-\u{16eb8}\u{16ebb}-\u{16ed3}\u{16ff2}-\u{16ff6}` +
  String.raw`\u{187f8}-\u{187ff}\u{18d09}-\u{18d1e}\u{18d80}-\u{18df2}\u{1ccfa}-\u{1ccfc}` +
  String.raw`\u{1ceba}-\u{1ced0}\u{1cee0}-\u{1cef0}\u{1e6c0}-\u{1e6de}\u{1e6e0}-\u{1e6f5}` +
  String.raw`\u{1e6fe}-\u{1e6ff}\u{1f6d8}\u{1f777}-\u{1f77a}\u{1f8d0}-\u{1f8d8}\u{1fa54}-\u{1fa57}` +
  String.raw`\u{1fa8a}\u{1fa8e}\u{1fac8}\u{1facd}\u{1faea}\u{1faef}\u{1fbfa}\u{2b73a}-\u{2b73f}` +
  String.raw`\u{2cea2}-\u{2cead}\u{323b0}-\u{33479}`;

const known = (set: string) => `[[${set}]--[${NEWER}]]`;

const WORD_SET = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}`;
/**
 * Characters that `\\w` matches outside brackets only: six more digits and fractions of Latin-1.
 */
export const WORD = known(String.raw`${WORD_SET}\xb2\xb3\xb9\xbc-\xbe`);
const WORD_IN_BRACKETS = known(WORD_SET);
export const LETTER = known(String.raw`\p{L}`);
export const NUMBER = known(String.raw`\p{N}`);
export const SPACE = String.raw`[\p{White_Space}]`;
const DIGIT = known(String.raw`\p{Nd}`);

const CATEGORIES = 'L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp Cc Cf'.split(
  ' ',
);
const SCRIPTS = 'Arabic Cyrillic Devanagari Greek Han Hangul Hebrew Hiragana Katakana Latin Thai'.split(' ');

const CLASSES: ReadonlyMap<string, string> = new Map([
  ...CATEGORIES.map((name) => [name, known(`\\p{${name}}`)] as const),
  ...SCRIPTS.map((name) => [name, known(`\\p{Script=${name}}`)] as const),
  // U+0295 has another category in that version.
  ['Ll', known(String.raw`\p{Ll}\u0295`)],
  ['Lo', `[${known(String.raw`\p{Lo}`)}--[\\u0295]]`],
  ['w', WORD],
  ['d', DIGIT],
  ['s', SPACE],
  ['h', '[0-9a-fA-F]'],
  ['[:space:]', SPACE],
  ['[:digit:]', DIGIT],
  ['[:alpha:]', known(String.raw`\p{Alphabetic}`)],
  ['[:punct:]', known(String.raw`\p{P}\p{S}`)],
]);

/** Class of an escape within brackets, as {@link patternClass}. */
export function classInBrackets(written: string): string | undefined {
  return /^w$/i.test(written) ? signed(WORD_IN_BRACKETS, written === 'W') : patternClass(written);
}

/**
 * Converts a class to JavaScript's syntax (flag `v`), in brackets.
 * @param written the pattern's form: `w`, `S`, `p{Lu}`, `p{^Han}`, `P{N}` after a backslash, or
 *   `[:space:]`
 * @returns undefined for an unknown class
 */
export function patternClass(written: string): string | undefined {
  const [, kind, caret, property] = /^([pP])\{(\^?)(\w+)\}$/.exec(written) ?? [];
  if (kind !== undefined) return signed(CLASSES.get(property), (kind === 'P') !== (caret === '^'));
  if (written.startsWith('[:^')) return signed(CLASSES.get(written.replace('^', '')), true);
  if (written.startsWith('[')) return CLASSES.get(written);
  return signed(CLASSES.get(written.toLowerCase()), written !== written.toLowerCase());
}

const signed = (source: string | undefined, negated: boolean) => (source && negated ? `[^${source}]` : source);
