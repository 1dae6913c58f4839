import type * as fs from 'node:fs/promises';
import type { AsyncBuffer, FileMetaData, SchemaTree } from 'hyparquet' with { 'resolution-mode': 'import' };
import { failed, HifiError, invalidInput, isNoDescriptor } from '../foundation/errors';
import { type NamedFile, openFile, readBytes } from './bytes';
import type { Pass, Records, TableRecord } from './records';

/**
 * Reads the requested columns of a Parquet file, one row group at a time. The first record has the
 * columns' names. The values may be texts, whole and decimal numbers, and booleans.
 * @throws HifiError INVALID_INPUT if the file is unreadable or not Parquet, or a column has another
 *   type; FAILED if hyparquet cannot be loaded
 */
export async function* parquetRecords(source: NamedFile, { hash, columns = [], lists = [] }: Pass): Records {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema, compressors } = await loadHyparquet(source);
  const handle = await openFile(source);
  try {
    const { size } = await handle.stat();
    if (size === 0) throw invalidInput(`${source.path}: the file is empty`);
    const file = bufferOf(handle, size);
    const metadata = await parquetMetadataAsync(file);
    const schema = parquetSchema(metadata).children;
    const names = schema.map(({ element }) => element.name);
    const classes = classNames(metadata);
    yield [{ width: names.length, field: (index) => names[index], classes: (index) => classes.get(names[index]) }];

    if (hash) for await (const _ of readBytes(source, hash));
    for (const [at, column] of schema.entries()) {
      if (columns.includes(at)) checkType(source.path, column, lists.includes(at));
    }
    for (const [rowStart, rowEnd] of columns.length > 0 ? rowGroups(metadata) : []) {
      const wanted = columns.map((at) => names[at]);
      const rows = await parquetReadObjects({ file, metadata, columns: wanted, compressors, rowStart, rowEnd });
      yield rows.map((row, at): TableRecord => {
        const value = (index: number) => row[names[index]];
        const list = (index: number) => {
          const items: unknown = value(index);
          return Array.isArray(items) ? itemsOf(items, source.path, rowStart + at, names[index]) : undefined;
        };
        return { width: names.length, field: (index) => textOf(value(index)), list };
      });
    }
  } catch (error) {
    if (error instanceof HifiError || isNoDescriptor(error)) throw error;
    const [reason] = (error as Error).message.split('\n');
    throw invalidInput(`${source.path}: is not a Parquet file, or is damaged (${reason})`, error);
  } finally {
    await handle.close();
  }
}

/**
 * Loads the two ES modules, which a bundler must keep external and Yarn's PnP must be able to load.
 */
async function loadHyparquet({ path }: NamedFile) {
  try {
    const [hyparquet, { compressors }] = await Promise.all([import('hyparquet'), import('hyparquet-compressors')]);
    return { ...hyparquet, compressors };
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    const right = 'in a bundle keep both packages external, with Yarn set nodeLinker: node-modules';
    throw failed(`${path}: hyparquet or hyparquet-compressors could not be loaded (${reason}); ${right}`, error);
  }
}

const bufferOf = (handle: fs.FileHandle, byteLength: number): AsyncBuffer => ({
  byteLength,
  slice: async (start, end = byteLength) => {
    const bytes = new ArrayBuffer(end - start);
    const { bytesRead } = await handle.read(new Uint8Array(bytes), 0, end - start, start);
    if (bytesRead < end - start) throw new Error(`it ends at byte ${start + bytesRead}`);
    return bytes;
  },
});

/** First row and end of each row group. */
function rowGroups({ row_groups }: FileMetaData): [number, number][] {
  let end = 0;
  return row_groups.map(({ num_rows }) => [end, (end += Number(num_rows))]);
}

/**
 * Reads class names by column from the schema's key-value metadata `huggingface`, where Hugging
 * Face's `datasets` stores a ClassLabel: {"info": {"features": {COLUMN: {"_type": "ClassLabel",
 * "names": […]}}}}. A list of classes has it in `feature`, or before version 4 in a list of one.
 * Other metadata is ignored.
 */
function classNames({ key_value_metadata = [] }: FileMetaData): Map<string, readonly string[]> {
  const json = key_value_metadata.find(({ key }) => key === 'huggingface')?.value;
  const features: unknown = json === undefined ? undefined : parsed(json)?.info?.features;
  if (features === null || typeof features !== 'object') return new Map();
  return new Map(
    Object.entries(features as Record<string, Feature | [Feature] | null>).flatMap(([column, feature]) => {
      const each = Array.isArray(feature) ? feature[0] : (feature?.feature ?? feature);
      const names = each?._type === 'ClassLabel' ? each.names : undefined;
      const isList = Array.isArray(names) && names.every((name) => typeof name === 'string');
      return isList ? [[column, names as string[]] as const] : [];
    }),
  );
}

/** Type of a column in `datasets`: a class, or a list with the type of its items. */
interface Feature {
  _type?: unknown;
  names?: unknown;
  feature?: Feature;
}

function parsed(json: string): { info?: { features?: unknown } | null } | null | undefined {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Parquet's logical type of a column; undefined for a plain physical type. */
const annotation = ({ element }: SchemaTree) => element.logical_type?.type ?? element.converted_type;

const TEXTS = ['STRING', 'UTF8', 'ENUM'];
const NUMBERS = ['BOOLEAN', 'INT32', 'INT64', 'FLOAT', 'DOUBLE'];

function checkType(path: string, column: SchemaTree, mayBeList: boolean): void {
  const { name, type, repetition_type } = column.element;
  const kind = annotation(column);
  // A list column holds one group, which repeats one item.
  const item = kind === 'LIST' ? column.children[0]?.children[0] : undefined;
  if (mayBeList && item) {
    checkType(path, item, false);
    return;
  }
  const plain = column.children.length === 0 && repetition_type !== 'REPEATED';
  const text = type === 'BYTE_ARRAY' && kind !== undefined && TEXTS.includes(kind);
  const number = NUMBERS.includes(type!) && (kind === undefined || /^U?INT/.test(kind));
  if (plain && (text || number)) return;
  const found = plain ? (kind ?? type) : `nested (${kind ?? 'a group'})`;
  throw invalidInput(
    `${path}: the column ${JSON.stringify(name)} is ${found}; it must be of texts, whole or decimal numbers, or booleans`,
  );
}

/**
 * Texts of a list's items.
 * @throws HifiError INVALID_INPUT if one is missing, since the next ones would move up
 */
const itemsOf = (items: readonly unknown[], path: string, row: number, column: string): string[] =>
  items.map((item) => {
    const text = textOf(item);
    if (text !== undefined) return text;
    const found = `has a list with ${item ?? null} in the column ${JSON.stringify(column)}`;
    throw invalidInput(`${path}: row ${row} ${found}; each item must be a text, a number or a boolean`);
  });

/** Text of a value. NaN is a missing value: pandas writes it for a missing number. */
function textOf(value: unknown): string | undefined {
  return value === null || value === undefined || Number.isNaN(value) ? undefined : String(value);
}
