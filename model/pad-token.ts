import { HifiError } from '../foundation/errors';
import { isJsonObject } from '../foundation/json-file';
import { readTokenizerFiles } from './tokenizer/files';

/**
 * Padding token of a model whose config.json names none: the tokenizer's, else the first token that
 * ends a text. Undefined if neither is named.
 *
 * @param raw config.json
 */
export function padTokenOf(folder: string, raw: Record<string, unknown>): number | undefined {
  const eos = [raw.eos_token_id].flat()[0];
  return tokenizerPad(folder) ?? (typeof eos === 'number' ? eos : undefined);
}

function tokenizerPad(folder: string): number | undefined {
  try {
    const { tokenizer, config } = readTokenizerFiles(folder);
    const text = isJsonObject(config.pad_token) ? config.pad_token.content : config.pad_token;
    const added = Array.isArray(tokenizer.added_tokens) ? tokenizer.added_tokens : [];
    const found = added.find((token) => isJsonObject(token) && token.content === text);
    return found?.id;
  } catch (error) {
    if (error instanceof HifiError) return undefined; // loading the tokenizer reports its fault
    throw error;
  }
}
