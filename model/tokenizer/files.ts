import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput, shown } from '../../foundation/errors';
import { isJsonObject, readJsonObject } from '../../foundation/json-file';
import { ARCHITECTURES } from '../architectures';
import {
  bertSettings,
  fromMpnetVocabTxt,
  fromQwenFiles,
  fromVocabAndMerges,
  fromVocabTxt,
  unnamedBertSettings,
} from './older-files';
import { fromSentencePiece, llamaText, SENTENCEPIECE_CLASSES } from './sentencepiece';
import { SENTENCEPIECE_FILES } from './sentencepiece-file';

/** Files of a model folder that determine the tokens of a text. */
export const TOKENIZER_FILES: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  ...SENTENCEPIECE_FILES,
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

/** Way to store a tokenizer other than tokenizer.json. */
interface Form {
  files: readonly string[];
  /** Classes of transformers that read these files so, without `Tokenizer`. */
  classes: readonly string[];
  /** Returns the equivalent of tokenizer.json. */
  read(folder: string, config: Json, files: readonly string[], className: string): Json;
}

const BERT_LIKE = ['Bert', 'DistilBert', 'Electra'];
/** Classes that set BERT's normalizer by tokenizer_config.json. */
const BERT_CLASSES = [...BERT_LIKE, 'MPNet'];
const ROBERTA_LIKE = ['Roberta'];

const FORMS: readonly Form[] = [
  { files: ['vocab.txt'], classes: BERT_LIKE, read: fromVocabTxt },
  { files: ['vocab.txt'], classes: ['MPNet'], read: fromMpnetVocabTxt },
  { files: ['vocab.json', 'merges.txt'], classes: ROBERTA_LIKE, read: fromVocabAndMerges },
  { files: ['vocab.json', 'merges.txt'], classes: ['Qwen2', 'Qwen3'], read: fromQwenFiles },
  ...SENTENCEPIECE_FILES.map((name) => ({ files: [name], classes: SENTENCEPIECE_CLASSES, read: fromSentencePiece })),
];

/** Class of a folder without config files, by the file that it holds. */
const USUAL_CLASSES: Readonly<Record<string, string>> = {
  'vocab.txt': 'Bert',
  'vocab.json': 'Roberta',
  'sentencepiece.bpe.model': 'XLMRoberta',
  'spm.model': 'DebertaV2',
  'tokenizer.model': 'Llama',
};

/** Returns true if a folder or repository has a tokenizer in a supported form. */
export const hasTokenizer = (has: (name: string) => boolean) =>
  has('tokenizer.json') || FORMS.some(({ files }) => files.every(has));

/**
 * Reads `tokenizer.json` of a model folder, or builds its equivalent from the files of the class
 * that the config files name: `vocab.txt` (WordPiece), `vocab.json` and `merges.txt` (byte-level
 * BPE), or a SentencePiece model.
 * @throws HifiError INVALID_INPUT, one line with the file and its fault
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  const at = (name: string) => path.join(folder, name);
  const has = (name: string) => fs.existsSync(at(name));
  const config = readJsonObject(at('tokenizer_config.json')) ?? {};
  const tokenizer = readJsonObject(at('tokenizer.json'));
  if (tokenizer) {
    return { file: at('tokenizer.json'), tokenizer: withOverrides(tokenizer, config, classIn(config, folder)), config };
  }
  const found = FORMS.filter(({ files }) => files.every(has));
  if (found.length === 0) {
    const others = 'vocab.txt; vocab.json and merges.txt; or a SentencePiece model';
    const right = `a model folder holds config.json, model.safetensors, tokenizer.json (or ${others})`;
    throw invalidInput(`${at('tokenizer.json')}: no such file; ${right}`);
  }
  const [usual] = found[0].files;
  const className = classIn(config, folder) ?? USUAL_CLASSES[usual];
  const form = found.find(({ classes }) => classes.includes(className));
  if (form === undefined) {
    const is = className === undefined ? 'is in no config file; it' : `is ${shown(`${className}Tokenizer`)}, which`;
    throw invalidInput(`${at(usual)}: tokenizer_class ${is} needs its tokenizer.json: save it with transformers`);
  }
  const files = form.files.map(at);
  return { file: files[0], tokenizer: form.read(folder, config, files, className), config };
}

/**
 * Settings of a folder's tokenizer.json that its tokenizer_config.json leaves out, under their
 * names there. The classes of transformers read them there alone, so an export has to name them.
 * Empty if the tokenizer cannot be used, which its loading reports.
 */
export function unnamedSettings(folder: string): Json {
  try {
    const { tokenizer, config } = readTokenizerFiles(folder);
    const { normalizer } = tokenizer;
    const ofBert = isJsonObject(normalizer) && normalizer.type === 'BertNormalizer';
    const className = classIn(config, folder);
    return ofBert && BERT_CLASSES.some((each) => each === className) ? unnamedBertSettings(normalizer, config) : {};
  } catch {
    return {};
  }
}

/**
 * Class of a folder's tokenizer, without `Tokenizer`: that of tokenizer_config.json, of
 * config.json, or the one of the model's type.
 */
function classIn(config: Json, folder: string): string | undefined {
  const model = readJsonObject(path.join(folder, 'config.json')) ?? {};
  const name = config.tokenizer_class ?? model.tokenizer_class;
  if (typeof name === 'string') return shortName(name);
  const architecture = ARCHITECTURES.get(String(model.model_type));
  return architecture && shortName(architecture.tokenizerClass ?? architecture.classPrefix);
}

const shortName = (className: string) => className.replace(/Tokenizer(?:Fast)?$/, '');

/**
 * Applies the settings of tokenizer_config.json, which take precedence in `transformers`. Llama's
 * class takes only vocabulary, merges and frame from a tokenizer.json that is not byte-level.
 */
function withOverrides(tokenizer: Json, config: Json, className: string | undefined): Json {
  const { normalizer, pre_tokenizer, model, decoder } = tokenizer;
  const { add_prefix_space } = config;
  const isOf = (classes: readonly string[]) =>
    config.tokenizer_class == null || classes.includes(shortName(String(config.tokenizer_class)));
  if (isJsonObject(normalizer) && normalizer.type === 'BertNormalizer' && isOf(BERT_CLASSES)) {
    return { ...tokenizer, normalizer: { ...normalizer, ...bertSettings(config) } };
  }
  const byteLevel = isJsonObject(pre_tokenizer) && pre_tokenizer.type === 'ByteLevel';
  if (byteLevel && isOf(ROBERTA_LIKE) && typeof add_prefix_space === 'boolean') {
    return { ...tokenizer, pre_tokenizer: { ...pre_tokenizer, add_prefix_space } };
  }
  const hasBytes = JSON.stringify([pre_tokenizer, decoder]).includes('"ByteLevel"');
  if (className === 'Llama' && isJsonObject(model) && model.type === 'BPE' && !hasBytes) {
    return { ...tokenizer, ...llamaText(model, config) };
  }
  return tokenizer;
}
