import * as path from 'node:path';
import { readJsonObject } from '../foundation/json-file';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { unnamedPad } from '../model/pad-token';
import { unnamedSettings } from '../model/tokenizer/files';

const CONFIG = 'tokenizer_config.json';
/** File that names special tokens too. transformers reads it in old folders. */
const OLDER = 'special_tokens_map.json';

/**
 * Contents of the tokenizer's files that a merged checkpoint has otherwise than its base, so that
 * transformers gives the tokens of the training. They name the padding token, if it is another one:
 * a task head that reads the last token finds it by that. They name the settings of tokenizer.json
 * that transformers does not read there.
 */
export function exportedTokenizer({ config, folder }: Pick<Checkpoint, 'config' | 'folder'>): Map<string, string> {
  const text = architectureOf(config).padsAsTokenizer ? unnamedPad(folder, config.padTokenId) : undefined;
  const pad = text === undefined ? {} : { pad_token: text };
  const changes = { [CONFIG]: { ...unnamedSettings(folder), ...pad }, [OLDER]: pad };
  const files = new Map<string, string>();
  for (const [name, change] of Object.entries(changes)) {
    const own = readJsonObject(path.join(folder, name)) ?? (name === CONFIG ? {} : undefined);
    if (own && Object.keys(change).length > 0) files.set(name, `${JSON.stringify({ ...own, ...change }, null, 2)}\n`);
  }
  return files;
}
