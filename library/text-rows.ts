import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource, Label } from '../data/dataset';
import { jsonLinesOf } from '../data/json-lines';
import { type NamedProblem, namedProblem } from '../data/problem';
import { writing } from '../foundation/disk';
import { invalidPart, invalidValue, shown } from '../foundation/errors';
import { type TemporaryFolder, temporaryFolder } from '../foundation/temporary';

/** Rows in memory. Row `i` of a result is `texts[i]`. */
export interface TextRows extends NamedProblem {
  /** One text per row, or two for a pair; at least one row. Only `predict` accepts blank texts. */
  texts: readonly string[] | readonly (readonly [first: string, second: string])[];
  /**
   * Labels: class names, lists of names for the problem `multi-label`, or numbers for a regression
   * or relevance. `train` and `score` need them.
   */
  labels?: readonly (string | number | readonly string[])[];
}

/** Rows of a file ({@link DataSource}) or in memory ({@link TextRows}). */
export type Rows = DataSource | TextRows;

/** Columns of the temporary file for rows in memory, which an engine's process reads twice. */
const COLUMNS = ['text', 'second_text'];
const LABEL = 'label';

/**
 * Runs `work` on rows as files, and removes the temporary ones after it. Each file has the name of
 * the request's part.
 *
 * @param rows parts of the request by name; an undefined part stays undefined
 * @throws HifiError INVALID_INPUT with its `field` if a part has no valid rows
 */
export async function* withRows<Given extends Record<string, Rows | undefined>, Event, Result>(
  rows: Given,
  work: (
    sources: { [Name in keyof Given]: DataSource | Extract<Given[Name], undefined> },
  ) => AsyncGenerator<Event, Result>,
): AsyncGenerator<Event, Result> {
  let folder: TemporaryFolder | undefined;
  try {
    const sources = Object.entries(rows).map(([name, given]): [string, DataSource | undefined] => {
      if (given === undefined) return [name, undefined];
      if (given === null || typeof given !== 'object' || !('texts' in given || 'path' in given)) {
        throw invalidValue({ field: name, value: shown(given), expected: '{ path, … } of a file or { texts, … }' });
      }
      if (!('texts' in given)) return [name, given];
      const lines = linesOf(name, given);
      folder ??= temporaryFolder('rows');
      const file = path.join(folder.path, `${name}.jsonl`);
      writing(file, () => fs.writeFileSync(file, lines.text, { mode: 0o600 }));
      const problem = namedProblem(given);
      return [name, { path: name, file, format: 'jsonl', ...lines.columns, ...(problem && { problem }) }];
    });
    return yield* work(Object.fromEntries(sources) as Parameters<typeof work>[0]);
  } finally {
    folder?.remove();
  }
}

/** JSON Lines of rows, with their columns; equal rows give equal bytes. */
function linesOf(name: string, { texts, labels }: TextRows) {
  const { seconds, ...first } = textsOf(`${name}.texts`, texts);
  if (labels !== undefined && labels.length !== texts.length) {
    const sizes = `${name}.labels has ${labels.length} entries, ${name}.texts ${texts.length}`;
    throw invalidPart(`${name}.labels`, `${sizes}; each row must have one label`);
  }
  const words = labels?.map((label: unknown, row): Label => {
    if (typeof label === 'string' || Number.isFinite(label)) return String(label);
    if (Array.isArray(label) && label.every((name) => typeof name === 'string')) return label;
    const expected = 'a text, a number or a list of texts';
    throw invalidValue({ field: `${name}.labels`, value: shown(label), expected }, `${name}.labels[${row}]`);
  });
  const rows = { ...first, ...(seconds && { seconds }), ...(words && { labels: words }) };
  const columns = { textColumns: COLUMNS.slice(0, seconds ? 2 : 1), ...(labels && { labelColumn: LABEL }) };
  return { text: jsonLinesOf(rows, { textColumns: COLUMNS, labelColumn: LABEL }), columns };
}

/**
 * First and second texts of rows.
 *
 * @param field name of the rows in errors
 * @throws HifiError INVALID_INPUT for anything but a list of texts, or of pairs
 */
export function textsOf(field: string, given: TextRows['texts']): { texts: string[]; seconds?: string[] } {
  if (!Array.isArray(given) || given.length === 0) {
    throw invalidValue({ field, value: shown(given), expected: 'a list of at least one text' });
  }
  const width = typeof given[0] === 'string' ? 1 : 2;
  const rows = given.map((row: unknown, i): string[] => {
    const parts = width === 1 ? [row] : row;
    if (Array.isArray(parts) && parts.length === width && parts.every((text) => typeof text === 'string')) return parts;
    const expected = width === 1 ? 'a text' : 'a pair of texts';
    throw invalidValue({ field, value: shown(row), expected }, `${field}[${i}]`);
  });
  return {
    texts: rows.map(([first]) => first),
    ...(width === 2 && { seconds: rows.map(([, second]) => second) }),
  };
}
