import { invalidInput } from '../foundation/errors';
import type { NamedFile } from './bytes';
import { eachLine, lineBlocks } from './lines';
import type { Pass, Records, TableRecord } from './records';

/**
 * Reads the objects of a JSON Lines file. The first record has the keys of the first object. Blank
 * lines are skipped. A number or boolean, also in a list, is read as the text in the line. Half a
 * surrogate pair, which UTF-8 cannot encode, becomes U+FFFD.
 * @throws HifiError INVALID_INPUT if the file is unreadable, or a line is not UTF-8 or not an
 *   object
 */
export async function* jsonRecords(source: NamedFile, { hash }: Pass): Records {
  let names: string[] | undefined;
  for await (const block of lineBlocks(source, hash)) {
    const records: TableRecord[] = [];
    eachLine(block, (line, start, end) => {
      const json = block.bytes.toString('utf8', start, end);
      if (json.trim() === '') return;
      const object = parsed(source.path, line, json);
      if (names === undefined) {
        names = Object.keys(object);
        const [width, keys] = [names.length, names];
        records.push({ line, width, field: (index) => keys[index] });
      }
      records.push(new JsonRecord(source.path, line, json, object, names));
    });
    yield records;
  }
}

class JsonRecord implements TableRecord {
  constructor(
    private readonly path: string,
    readonly line: number,
    private readonly json: string,
    private readonly object: Readonly<Record<string, unknown>>,
    private readonly names: readonly string[],
  ) {}

  get width(): number {
    return this.names.length;
  }

  field(index: number): string | undefined {
    const value = this.value(index);
    if (value === null) return undefined;
    if (typeof value === 'string') return wellFormed(value);
    if (typeof value !== 'object') return ownTexts(this.json, this.names[index])[0];
    throw this.refused(index, value, '');
  }

  list(index: number): string[] | undefined {
    const value = this.value(index);
    if (!Array.isArray(value)) return undefined;
    let texts: string[] | undefined;
    return value.map((item: unknown, at) => {
      if (typeof item === 'string') return wellFormed(item);
      if (typeof item === 'number' || typeof item === 'boolean') {
        texts ??= ownTexts(this.json, this.names[index]);
        return texts[at];
      }
      throw this.refused(index, item, 'a list with ');
    });
  }

  private value(index: number): unknown {
    const name = this.names[index];
    return Object.hasOwn(this.object, name) ? this.object[name] : null;
  }

  private refused(index: number, value: unknown, where: string) {
    const kind = value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
    const at = `${this.path}: line ${this.line}: ${JSON.stringify(this.names[index])}`;
    const lists = kind === 'a list' && where === '' ? '; lists need --problem tokens or multi-label' : '';
    return invalidInput(`${at} is ${where}${kind}; it must be a text, a number or a boolean${lists}`);
  }
}

/** Replaces half surrogate pairs, which UTF-8 cannot encode. */
const wellFormed = (text: string) => text.replace(/\p{Surrogate}/gu, '\ufffd');

function parsed(path: string, line: number, json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw invalidInput(`${path}: line ${line} is not JSON (${reason}); JSON Lines has one object per line`, error);
  }
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  const kind = value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  throw invalidInput(`${path}: line ${line} is ${kind}, not an object; JSON Lines has one object per line`);
}

/** Strings, brackets, colons, commas; any other run of characters is a number or a word. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s"[\]{}:,]+/g;

/**
 * Value of a key, or the items of its list, as written in the line: 1.0 is not 1. If the key occurs
 * twice, the last one counts, as in JSON.parse.
 * @param json a line that JSON.parse accepts
 * @param name a key whose value is a text, number or word, or a list of them
 */
function ownTexts(json: string, name: string): string[] {
  let depth = 0;
  let before = '';
  let wanted = false;
  let found: string[] = [];
  for (const [token] of json.matchAll(TOKENS)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && token === ',') wanted = false;
    else if (depth === 1 && token === ':') {
      wanted = JSON.parse(before) === name;
      if (wanted) found = [];
    } else if (wanted && depth <= 2 && token !== ',') found.push(token);
    before = token;
  }
  return found;
}
