import * as fs from 'node:fs';
import * as path from 'node:path';
import { architectureOf } from '../model/architectures';
import type { ModelConfig } from '../model/config';
import { readTokenizerFiles, unnamedSettings } from '../model/tokenizer/files';

/**
 * Writes a base's tokenizer into an ONNX folder, as tokenizer.json whatever files the base has.
 * transformers.js truncates and pads by tokenizer_config.json alone; the class there decides
 * whether it sends segments. So missing fields are filled in, and for transformers the settings of
 * tokenizer.json that it does not read there.
 */
export function writeOnnxTokenizer(base: string, folder: string, config: ModelConfig, segments: boolean): void {
  const { tokenizer, config: stored } = readTokenizerFiles(base);
  const limit = typeof stored.model_max_length === 'number' ? stored.model_max_length : config.maxPositions;
  const pad = tokenOf(tokenizer, config.padTokenId);
  // A task head that reads the last token finds it by this padding token.
  const isRead = architectureOf(config).padsAsTokenizer && pad !== undefined;
  const complete = {
    pad_token: pad,
    ...stored,
    ...unnamedSettings(base),
    ...(isRead && { pad_token: pad }),
    tokenizer_class: classOf(stored.tokenizer_class, config, segments),
    model_max_length: Math.min(limit, config.maxPositions),
  };
  fs.writeFileSync(path.join(folder, 'tokenizer.json'), `${JSON.stringify(tokenizer)}\n`);
  fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), `${JSON.stringify(complete, null, 2)}\n`);
}

/** Class of the tokenizer. BERT's without segments is DistilBERT's. */
function classOf(stored: unknown, config: ModelConfig, segments: boolean): unknown {
  const { classPrefix } = architectureOf(config);
  const name = stored ?? `${classPrefix}Tokenizer`;
  return !segments && /^(Bert|Electra)Tokenizer(Fast)?$/.test(String(name)) ? 'DistilBertTokenizer' : name;
}

/** Text of an added token, such as a special token. */
function tokenOf({ added_tokens: added }: Record<string, unknown>, id: number): string | undefined {
  return (added as { id: number; content: string }[] | undefined)?.find((token) => token.id === id)?.content;
}
