import * as fs from 'node:fs';
import * as path from 'node:path';
import { architectureOf } from '../model/architectures';
import type { ModelConfig } from '../model/config';
import { readTokenizerFiles } from '../model/tokenizer/files';

/**
 * Puts a base's tokenizer into an ONNX folder, as tokenizer.json whatever files the base has. transformers.js cuts and pads by
 * tokenizer_config.json alone and knows by the class there whether segments are asked for: what that leaves open is filled in.
 */
export function writeOnnxTokenizer(base: string, folder: string, config: ModelConfig, segments: boolean): void {
  const { tokenizer, config: said } = readTokenizerFiles(base);
  const limit = typeof said.model_max_length === 'number' ? said.model_max_length : config.maxPositions;
  const complete = {
    pad_token: tokenOf(tokenizer, config.padTokenId),
    ...said,
    tokenizer_class: classOf(said.tokenizer_class, config, segments),
    model_max_length: Math.min(limit, config.maxPositions),
  };
  fs.writeFileSync(path.join(folder, 'tokenizer.json'), `${JSON.stringify(tokenizer)}\n`);
  fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), `${JSON.stringify(complete, null, 2)}\n`);
}

/** The tokenizer's class; BERT's without segments is DistilBERT's. */
function classOf(said: unknown, config: ModelConfig, segments: boolean): unknown {
  const { classPrefix } = architectureOf(config);
  const name = said ?? `${classPrefix}Tokenizer`;
  return !segments && /^(Bert|Electra)Tokenizer(Fast)?$/.test(String(name)) ? 'DistilBertTokenizer' : name;
}

/** The text of an added token: special tokens are added ones. */
function tokenOf({ added_tokens: added }: Record<string, unknown>, id: number): string | undefined {
  return (added as { id: number; content: string }[] | undefined)?.find((token) => token.id === id)?.content;
}
