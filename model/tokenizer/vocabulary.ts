import { z } from 'zod';
import { isJsonObject } from '../../foundation/json-file';

/** Model that splits a word into tokens of its vocabulary. */
export interface Model {
  readonly vocab: ReadonlyMap<string, number>;
  tokenize(word: string): readonly number[];
}

/** Converts a vocabulary of tokenizer.json to a map from token to id. */
export function vocabularyMap(vocab: Record<string, unknown>): Map<string, number> {
  const ids = new Map<string, number>();
  for (const token of Object.keys(vocab)) {
    const id = vocab[token];
    if (!Number.isInteger(id)) throw new Error(`vocab has no whole number for ${JSON.stringify(token)}`);
    ids.set(token, id as number);
  }
  return ids;
}

/** Schemas of large parts of a file. They do not copy them; the readers check the content. */
export const bigObject = z.custom<Record<string, unknown>>(isJsonObject, 'is no object');
export const bigList = z.custom<unknown[]>(Array.isArray, 'is no list');

/** Ids of the tokens of a text's bytes, such as `<0x0A>`; undefined if the vocabulary lacks one. */
export function byteIds(text: string, vocab: ReadonlyMap<string, number>): number[] | undefined {
  const ids = Array.from(Buffer.from(text), (byte) => vocab.get(`<0x${hexOf(byte)}>`));
  return ids.includes(undefined) ? undefined : (ids as number[]);
}

const hexOf = (byte: number) => byte.toString(16).toUpperCase().padStart(2, '0');
