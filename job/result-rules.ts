import { z } from 'zod';

/* Rules for the fields of JSON results; each names what would be right. */

export const text = z.string('a text');
export const number = z.number('a finite number');
export const count = z.int('a whole number from 0').min(0, 'a whole number from 0');
export const positive = z.int('a whole number from 1').min(1, 'a whole number from 1');
export const list = <T extends z.ZodType>(item: T) => z.array(item, 'a list');
export const object = <T extends z.ZodRawShape>(shape: T) => z.object(shape, 'an object');
export const oneOf = <const T extends readonly string[]>(values: T) => z.enum(values, `one of ${values.join(', ')}`);
