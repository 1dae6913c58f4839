/*
 * Grapheme clusters (UAX #29) in the Rust library's Unicode, as far as a character map needs them:
 * those of fewer than six bytes. Syllables of Hangul and Indic letters, flags and similar clusters
 * are longer and are not distinguished.
 */

const PREPEND =
  String.raw`\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\u{110bd}\u{110cd}\u{111c2}\u{111c3}\u{113d1}` +
  String.raw`\u{1193f}\u{11941}\u{11a84}-\u{11a89}\u{11d46}`;

/** Marks with width that nevertheless begin a cluster. */
const APART =
  String.raw`\u102b\u102c\u1038\u1062-\u1064\u1067-\u106d\u1083\u1087-\u108c\u108f\u109a-\u109c\u1a61\u1a63\u1a64\uaa7b\uaa7d` +
  String.raw`\u{11720}\u{11721}`;

const EXTEND = String.raw`[[\p{Grapheme_Extend}\p{Mc}\p{Emoji_Modifier}\u200d\u0e33\u0eb3]--[${APART}]]`;
const CONTROL = String.raw`[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u2065\ufff0-\ufff8]--[\u200c\u200d${PREPEND}]]`;
const PICTOGRAPH = String.raw`\p{Extended_Pictographic}`;

const GRAPHEME = new RegExp(
  String.raw`\r\n|[${PREPEND}]*(?:${PICTOGRAPH}${EXTEND}*(?<=\u200d)(?=${PICTOGRAPH}))*[^${CONTROL}]${EXTEND}*|.`,
  'gsv',
);

/** Splits a text into grapheme clusters. */
export const graphemesOf = (text: string): string[] => text.match(GRAPHEME) ?? [];
