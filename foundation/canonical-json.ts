import { sha256Of } from './hash';

/** Copy of a value in which the keys of every object are in alphabetical order. */
export function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sortedKeys(each)]));
}

/** SHA-256 of a value's JSON, whatever the order of its objects' keys. */
export const canonicalHash = (value: unknown): string => sha256Of(JSON.stringify(sortedKeys(value)));
