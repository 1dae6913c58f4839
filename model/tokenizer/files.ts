import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput, shown } from '../../foundation/errors';
import { isJsonObject, readJsonObject } from '../../foundation/json-file';
import { bertSettings, fromVocabAndMerges, fromVocabTxt } from './older-files';

/** Files of a model folder that determine the tokens of a text. */
export const TOKENIZER_FILES: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
];

type Json = Record<string, unknown>;

/** Tokenizer as its files describe it. */
export interface TokenizerFiles {
  /** File from which the tokenizer is read, for messages. */
  file: string;
  /** Content of tokenizer.json, or its equivalent. */
  tokenizer: Json;
  /** Content of tokenizer_config.json. */
  config: Json;
}

/**
 * Reads `tokenizer.json` of a model folder, or builds its equivalent from `vocab.txt` (BERT's
 * WordPiece) or from `vocab.json` and `merges.txt` (RoBERTa's byte-level BPE).
 * @throws HifiError INVALID_INPUT, one line with the file and its fault
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  const at = (name: string) => path.join(folder, name);
  const has = (name: string) => fs.existsSync(at(name));
  const config = readJsonObject(at('tokenizer_config.json')) ?? {};
  const tokenizer = readJsonObject(at('tokenizer.json'));
  if (tokenizer) return { file: at('tokenizer.json'), tokenizer: withOverrides(tokenizer, config), config };
  if (has('vocab.txt')) {
    const file = at('vocab.txt');
    mustBe(BERT_LIKE, config, file);
    return { file, tokenizer: fromVocabTxt(folder, file, config), config };
  }
  if (has('vocab.json') && has('merges.txt')) {
    const file = at('vocab.json');
    mustBe(ROBERTA_LIKE, config, file);
    return { file, tokenizer: fromVocabAndMerges(folder, file, at('merges.txt'), config), config };
  }
  const right = has('sentencepiece.bpe.model')
    ? 'sentencepiece.bpe.model alone is not enough: save the tokenizer with transformers, which writes tokenizer.json'
    : 'a model folder holds config.json, model.safetensors, tokenizer.json (or vocab.txt; or vocab.json, merges.txt)';
  throw invalidInput(`${at('tokenizer.json')}: no such file; ${right}`);
}

const BERT_LIKE = /^(?:(?:Bert|DistilBert|Electra)Tokenizer(?:Fast)?)?$/;
const ROBERTA_LIKE = /^(?:RobertaTokenizer(?:Fast)?)?$/;

const className = ({ tokenizer_class }: Json) => String(tokenizer_class ?? '');

/**
 * Checks the tokenizer's class. Other classes, such as BertJapaneseTokenizer, use a vocabulary of
 * the same form differently.
 */
function mustBe(classes: RegExp, config: Json, file: string): void {
  if (classes.test(className(config))) return;
  const name = shown(config.tokenizer_class);
  throw invalidInput(`${file}: tokenizer_class is ${name}, which needs its tokenizer.json: save it with transformers`);
}

/**
 * Applies the normalizer and pre-tokenizer settings of tokenizer_config.json, which take precedence
 * in `transformers`.
 */
function withOverrides(tokenizer: Json, config: Json): Json {
  const { normalizer, pre_tokenizer } = tokenizer;
  const { add_prefix_space } = config;
  if (isJsonObject(normalizer) && normalizer.type === 'BertNormalizer' && BERT_LIKE.test(className(config))) {
    return { ...tokenizer, normalizer: { ...normalizer, ...bertSettings(config) } };
  }
  const byteLevel = isJsonObject(pre_tokenizer) && pre_tokenizer.type === 'ByteLevel';
  if (byteLevel && ROBERTA_LIKE.test(className(config)) && typeof add_prefix_space === 'boolean') {
    return { ...tokenizer, pre_tokenizer: { ...pre_tokenizer, add_prefix_space } };
  }
  return tokenizer;
}
