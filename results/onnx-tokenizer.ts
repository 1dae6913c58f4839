import * as fs from 'node:fs';
import * as path from 'node:path';
import type { ModelConfig } from '../model/config';
import { FAMILIES, type Family } from '../model/families';
import { readJsonObject } from '../model/json-file';
import { copyTokenizer } from './undo';

/**
 * Puts a base's tokenizer into an ONNX folder. transformers.js asks for both of its files, and cuts and pads by
 * tokenizer_config.json alone: what that leaves open is filled in.
 */
export function writeOnnxTokenizer(base: string, folder: string, config: ModelConfig): void {
  copyTokenizer(base, folder);
  const file = path.join(folder, 'tokenizer_config.json');
  const said = readJsonObject(file) ?? {};
  const family: Family = FAMILIES[config.family];
  const limit = typeof said.model_max_length === 'number' ? said.model_max_length : config.maxPositions;
  const complete = {
    tokenizer_class: `${family.classPrefix}Tokenizer`,
    pad_token: tokenOf(path.join(folder, 'tokenizer.json'), config.padTokenId),
    ...said,
    model_max_length: Math.min(limit, config.maxPositions),
  };
  fs.writeFileSync(file, `${JSON.stringify(complete, null, 2)}\n`);
}

/** The text of an added token: special tokens are added ones. */
function tokenOf(file: string, id: number): string | undefined {
  const added = readJsonObject(file)?.added_tokens as { id: number; content: string }[] | undefined;
  return added?.find((token) => token.id === id)?.content;
}
