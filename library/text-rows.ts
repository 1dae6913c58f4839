import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../data/dataset';
import { writing } from '../foundation/disk';
import { invalidPart } from '../foundation/errors';
import { type TemporaryFolder, temporaryFolder } from '../foundation/temporary';

/** Rows in memory. Row `i` of a result is `texts[i]`. */
export interface TextRows {
  /** One text per row, or two for a pair; at least one row. Only `predict` accepts blank texts. */
  texts: readonly string[] | readonly (readonly [first: string, second: string])[];
  /** Labels: class names, or numbers with `regression`. `train` and `score` need them. */
  labels?: readonly (string | number)[];
  /** True: labels are numbers to predict, not classes. Default: false. */
  regression?: boolean;
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
        throw invalidPart(name, `${name} is ${shown(given)}; it must be { path, … } of a file or { texts, … }`);
      }
      if (!('texts' in given)) return [name, given];
      const lines = linesOf(name, given);
      folder ??= temporaryFolder('rows');
      const file = path.join(folder.path, `${name}.jsonl`);
      writing(file, () => fs.writeFileSync(file, lines.text, { mode: 0o600 }));
      const { regression } = given;
      return [name, { path: name, file, format: 'jsonl', ...lines.columns, ...(regression && { regression }) }];
    });
    return yield* work(Object.fromEntries(sources) as Parameters<typeof work>[0]);
  } finally {
    folder?.remove();
  }
}

/** JSON Lines of rows; equal rows give equal bytes. */
function linesOf(name: string, { texts, labels }: TextRows) {
  if (!Array.isArray(texts) || texts.length === 0) {
    throw invalidPart(`${name}.texts`, `${name}.texts is ${shown(texts)}; it must be a list of at least one text`);
  }
  const width = typeof texts[0] === 'string' ? 1 : 2;
  const kind = width === 1 ? 'a text' : 'a pair of texts';
  if (labels !== undefined && labels.length !== texts.length) {
    const sizes = `${name}.labels has ${labels.length} entries, ${name}.texts ${texts.length}`;
    throw invalidPart(`${name}.labels`, `${sizes}; each row must have one label`);
  }
  const lines = texts.map((given: unknown, row) => {
    const parts = width === 1 ? [given] : given;
    const whole = Array.isArray(parts) && parts.length === width && parts.every((text) => typeof text === 'string');
    if (!whole) throw invalidPart(`${name}.texts`, `${name}.texts[${row}] is ${shown(given)}; it must be ${kind}`);
    const label = labels?.[row];
    if (labels && typeof label !== 'string' && !Number.isFinite(label)) {
      throw invalidPart(`${name}.labels`, `${name}.labels[${row}] is ${shown(label)}; it must be a text or a number`);
    }
    const fields = parts.map((text: string, i: number) => [COLUMNS[i], text]);
    if (label !== undefined) fields.push([LABEL, String(label)]);
    return `${JSON.stringify(Object.fromEntries(fields))}\n`;
  });
  const columns = { textColumns: COLUMNS.slice(0, width), ...(labels && { labelColumn: LABEL }) };
  return { text: lines.join(''), columns };
}

function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 40 ? `${json.slice(0, 40)}…` : json;
}
