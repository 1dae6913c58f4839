import { invalidInput, shown } from './errors';
import { otherContent, readRegularFile } from './regular-file';

/**
 * Reads a file that holds a JSON object.
 *
 * @returns the object, or `undefined` where there is no such file
 * @throws HifiError INVALID_INPUT, one line that names the file and what is wrong with it
 */
export function readJsonObject(file: string): Record<string, unknown> | undefined {
  const bytes = readRegularFile(file);
  if (bytes === undefined) return undefined;
  const text = bytes.toString('utf8');
  if (text.trim() === '') throw invalidInput(`${file}: is empty; a JSON object was asked for`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const other = otherContent(bytes);
    throw invalidInput(`${file}: ${other ?? `is not JSON (${oneLine(cause)})`}`, cause);
  }
  if (isJsonObject(value)) return value;
  throw invalidInput(`${file}: holds ${shown(value)}; a JSON object was asked for`);
}

/** Whether a value of JSON's is an object, neither a list nor null. */
export const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a library says of an error, on one line and not too long. */
export const oneLine = (cause: unknown) =>
  String((cause as Error)?.message ?? cause)
    .replace(/\s+/g, ' ')
    .slice(0, 160);
