import * as path from 'node:path';
import { readJsonObject } from '../foundation/json-file';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { unnamedPad } from '../model/pad-token';

/** Files that name the padding token. transformers reads the second in old folders. */
const FILES = ['tokenizer_config.json', 'special_tokens_map.json'];

/**
 * Contents of the tokenizer's files that name the padding token, if a merged checkpoint has another
 * one than its base's tokenizer. A task head that reads the last token finds it by the padding
 * token, so model and tokenizer must have the same.
 */
export function paddedTokenizer({ config, folder }: Pick<Checkpoint, 'config' | 'folder'>): Map<string, string> {
  const text = architectureOf(config).padsAsTokenizer ? unnamedPad(folder, config.padTokenId) : undefined;
  if (text === undefined) return new Map();
  const [main, older] = FILES.map((name) => readJsonObject(path.join(folder, name)));
  const changed = [main ?? {}, ...(older ? [older] : [])];
  return new Map(changed.map((file, i) => [FILES[i], `${JSON.stringify({ ...file, pad_token: text }, null, 2)}\n`]));
}
