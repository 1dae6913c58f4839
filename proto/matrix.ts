import { invalidPart, invalidValue } from '../foundation/errors';

/**
 * A flat matrix as rows.
 *
 * @param field what an error calls it
 * @throws HifiError INVALID_INPUT where it has not `rows · columns` numbers
 */
export function matrixOf(values: readonly number[], rows: number, columns: number, field: string): number[][] {
  checkLength(values, rows * columns, field);
  return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

/** @throws HifiError INVALID_INPUT where there are not `length` numbers, or one is no finite number */
export function checkLength(values: readonly number[], length: number, field: string): void {
  if (values.length !== length) {
    throw invalidPart(field, `${field} has ${values.length} numbers; it must have ${length}`);
  }
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw invalidValue({ field, value: String(values[at]), expected: 'a finite number' }, `${field}[${at}]`);
}

/**
 * What a message must hold here.
 *
 * @throws HifiError INVALID_INPUT where it does not
 */
export function present<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw invalidValue({ field, value: 'missing', expected: 'given' });
}
