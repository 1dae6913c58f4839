import { invalidPart, invalidValue } from '../foundation/errors';

/**
 * Splits a flat matrix into rows.
 *
 * @param field name of the field in an error
 * @throws HifiError INVALID_INPUT unless it has `rows · columns` numbers
 */
export function matrixOf(values: readonly number[], rows: number, columns: number, field: string): number[][] {
  checkLength(values, rows * columns, field);
  return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

/**
 * Checks a list of numbers. @throws HifiError INVALID_INPUT unless it has `length` finite numbers
 */
export function checkLength(values: readonly number[], length: number, field: string): void {
  if (values.length !== length) {
    throw invalidPart(field, `${field} has ${values.length} numbers; it must have ${length}`);
  }
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw invalidValue({ field, value: String(values[at]), expected: 'a finite number' }, `${field}[${at}]`);
}

/** Returns a required field's value. @throws HifiError INVALID_INPUT if it is missing */
export function present<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw invalidValue({ field, value: 'missing', expected: 'given' });
}
