/** Treatment of the delimiters at which a text is split, named as in tokenizer.json. */
export const BEHAVIORS = ['Removed', 'Isolated', 'Contiguous', 'MergedWithPrevious', 'MergedWithNext'] as const;

/**
 * Splits a text at delimiters; no piece is empty.
 * @param expression global; never matches the empty text
 * @param invert true if the text between the matches is the delimiter
 */
export function splitAt(
  text: string,
  expression: RegExp,
  behavior: (typeof BEHAVIORS)[number],
  invert: boolean,
): string[] {
  const parts: { text: string; delimits: boolean }[] = [];
  let done = 0;
  for (const match of text.matchAll(expression)) {
    if (match.index > done) parts.push({ text: text.slice(done, match.index), delimits: invert });
    parts.push({ text: match[0], delimits: !invert });
    done = match.index + match[0].length;
  }
  if (done < text.length) parts.push({ text: text.slice(done), delimits: invert });
  switch (behavior) {
    case 'Removed':
      return parts.filter(({ delimits }) => !delimits).map((part) => part.text);
    case 'Isolated':
      return parts.map((part) => part.text);
    case 'Contiguous':
      return merged(parts, (part, before) => part.delimits === before.delimits);
    case 'MergedWithPrevious':
      return merged(parts, (part, before) => part.delimits && !before.delimits);
    case 'MergedWithNext':
      return merged(parts, (part, before) => !part.delimits && before.delimits);
  }
}

/** Joins each part to the one before it if `joins` returns true. */
function merged<Part extends { text: string }>(
  parts: readonly Part[],
  joins: (part: Part, before: Part) => boolean,
): string[] {
  const pieces: string[] = [];
  parts.forEach((part, i) => {
    if (i > 0 && joins(part, parts[i - 1])) pieces.push(pieces.pop() + part.text);
    else pieces.push(part.text);
  });
  return pieces;
}
