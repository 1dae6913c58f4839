import { z } from 'zod';
import { isJsonObject } from '../../foundation/json-file';

/** What cuts a word into tokens of its vocabulary. */
export interface Model {
  readonly vocab: ReadonlyMap<string, number>;
  tokenize(word: string): readonly number[];
}

/** A vocabulary as tokenizer.json has it, token → id. */
export function vocabularyMap(vocab: Record<string, unknown>): Map<string, number> {
  const ids = new Map<string, number>();
  for (const token of Object.keys(vocab)) {
    const id = vocab[token];
    if (!Number.isInteger(id)) throw new Error(`vocab gives ${JSON.stringify(token)} no whole number`);
    ids.set(token, id as number);
  }
  return ids;
}

/** Big parts of a file, which a schema would copy: checked as they are read. */
export const bigObject = z.custom<Record<string, unknown>>(isJsonObject, 'is no object');
export const bigList = z.custom<unknown[]>(Array.isArray, 'is no list');
