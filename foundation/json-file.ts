import { invalidInput, shown } from './errors';
import { otherContent, readRegularFile } from './regular-file';

/**
 * Reads a file that holds a JSON object.
 *
 * @returns the object; undefined if there is no such file
 * @throws HifiError INVALID_INPUT, one line with the file's name and its fault
 */
export function readJsonObject(file: string): Record<string, unknown> | undefined {
  const bytes = readRegularFile(file);
  if (bytes === undefined) return undefined;
  const text = bytes.toString('utf8');
  if (text.trim() === '') throw invalidInput(`${file}: is empty; expected a JSON object`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const other = otherContent(bytes);
    throw invalidInput(`${file}: ${other ?? `is not JSON (${oneLine(cause)})`}`, cause);
  }
  if (isJsonObject(value)) return value;
  throw invalidInput(`${file}: holds ${shown(value)}; expected a JSON object`);
}

/** Returns true for a JSON object, which is neither a list nor null. */
export const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Message of an error on one line, at most 160 characters. */
export const oneLine = (cause: unknown) =>
  String((cause as Error)?.message ?? cause)
    .replace(/\s+/g, ' ')
    .slice(0, 160);
