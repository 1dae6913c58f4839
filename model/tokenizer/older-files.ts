import { invalidInput } from '../../foundation/errors';
import { readJsonObject } from '../../foundation/json-file';
import { otherContent, readRegularFile } from '../../foundation/regular-file';
import type { AddedToken } from './added-tokens';
import { named, ROBERTA_TOKENS, readSpecialTokens } from './special-tokens';
import { template } from './template';
import { vocabularyMap } from './vocabulary';

type Json = Record<string, unknown>;

/** Fields of tokenizer.json that no model folder's own settings change. */
export const NOTHING = { version: '1.0', truncation: null, padding: null };

/**
 * Builds the equivalent of tokenizer.json for BERT's `vocab.txt`, with one token per line, as
 * `transformers` does.
 * @param config content of tokenizer_config.json
 */
export function fromVocabTxt(folder: string, config: Json, [file]: readonly string[]): Json {
  const vocab = vocabTxt(file);
  const { added, roles } = readSpecialTokens(folder, config, {
    unk_token: '[UNK]',
    sep_token: '[SEP]',
    pad_token: '[PAD]',
    cls_token: '[CLS]',
    mask_token: '[MASK]',
  }).numbered(vocab);
  const { cls_token: cls, sep_token: sep, unk_token: unknown } = roles;
  return {
    ...wordPiece(vocab, unknown.content, config),
    added_tokens: added,
    post_processor: template([cls, 'A', sep], ['B', sep], 1),
  };
}

/** Builds the equivalent for MPNet's `vocab.txt`: BERT's words with RoBERTa's special tokens. */
export function fromMpnetVocabTxt(folder: string, config: Json, [file]: readonly string[]): Json {
  const vocab = vocabTxt(file);
  const mask = { ...named('<mask>'), lstrip: true };
  const defaults = { ...ROBERTA_TOKENS, unk_token: '[UNK]', mask_token: mask };
  const { added, roles } = readSpecialTokens(folder, config, defaults).numbered(vocab);
  return {
    ...wordPiece(vocab, roles.unk_token.content, config),
    added_tokens: added,
    post_processor: robertaFrame(roles, { add_prefix_space: false, trim_offsets: true }),
  };
}

function vocabTxt(file: string): Map<string, number> {
  const lines = linesOf(file);
  if (lines.at(-1) === '') lines.pop();
  return new Map(lines.map((token, id) => [token, id]));
}

/** Words and model of BERT. */
const wordPiece = (vocab: ReadonlyMap<string, number>, unknown: string, config: Json): Json => ({
  ...NOTHING,
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
    ...bertSettings(config),
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: unknown,
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(vocab),
  },
});

/**
 * Settings of BERT's normalizer in tokenizer_config.json. Rust's tokenizers ignore `never_split`.
 */
export function bertSettings({ do_lower_case, tokenize_chinese_chars, strip_accents }: Json): Json {
  return {
    ...(typeof do_lower_case === 'boolean' && { lowercase: do_lower_case }),
    ...(typeof tokenize_chinese_chars === 'boolean' && { handle_chinese_chars: tokenize_chinese_chars }),
    ...((typeof strip_accents === 'boolean' || strip_accents === null) && { strip_accents }),
  };
}

/**
 * Settings of BERT's normalizer that differ from what transformers takes from tokenizer_config.json
 * and its own defaults.
 * @param normalizer of tokenizer.json
 * @param config content of tokenizer_config.json
 */
export function unnamedBertSettings(normalizer: Json, config: Json): Json {
  const { lowercase = true, handle_chinese_chars = true, strip_accents = null } = normalizer;
  const settings = { do_lower_case: lowercase, tokenize_chinese_chars: handle_chinese_chars, strip_accents };
  const taken: Json = { do_lower_case: true, tokenize_chinese_chars: true, strip_accents: null, ...config };
  return Object.fromEntries(Object.entries(settings).filter(([name, value]) => taken[name] !== value));
}

/**
 * Builds the equivalent of tokenizer.json for RoBERTa's `vocab.json` and `merges.txt`, with one
 * pair per line, as `transformers` does.
 */
export function fromVocabAndMerges(folder: string, config: Json, files: readonly string[]): Json {
  const model = bytePair(files);
  const { added, roles } = readSpecialTokens(folder, config, ROBERTA_TOKENS).numbered(vocabularyMap(model.vocab));
  const byteLevel = { add_prefix_space: config.add_prefix_space === true, trim_offsets: true };
  return {
    ...NOTHING,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', ...byteLevel, use_regex: true },
    post_processor: robertaFrame(roles, byteLevel),
    decoder: BYTE_LEVEL_DECODER,
    model,
  };
}

/** Words of Qwen2 and Qwen3, from transformers. */
const QWEN_WORDS =
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|` +
  String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;

/** Builds the equivalent of tokenizer.json for Qwen's `vocab.json` and `merges.txt`. */
export function fromQwenFiles(folder: string, config: Json, files: readonly string[]): Json {
  const model = bytePair(files);
  const end = '<|endoftext|>';
  const special = readSpecialTokens(folder, config, { eos_token: end, unk_token: end, pad_token: end });
  const { added, roles } = special.numbered(vocabularyMap(model.vocab));
  const byteLevel = { add_prefix_space: config.add_prefix_space === true, trim_offsets: true, use_regex: false };
  return {
    ...NOTHING,
    added_tokens: added,
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: QWEN_WORDS }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', ...byteLevel },
      ],
    },
    post_processor: startAndEnd(roles, config),
    decoder: BYTE_LEVEL_DECODER,
    model,
  };
}

/** Frame of a class that adds a first and a last token on request. */
export function startAndEnd(
  { bos_token, eos_token }: { bos_token?: AddedToken; eos_token?: AddedToken },
  { add_bos_token, add_eos_token }: Json,
): Json {
  const start = add_bos_token === true && bos_token ? [bos_token] : [];
  const end = add_eos_token === true && eos_token ? [eos_token] : [];
  return template([...start, 'A', ...end], [...start, 'B', ...end], 1);
}

const robertaFrame = (
  { sep_token: sep, cls_token: cls }: Record<'sep_token' | 'cls_token', AddedToken>,
  settings: { add_prefix_space: boolean; trim_offsets: boolean },
): Json => ({ type: 'RobertaProcessing', sep: [sep.content, sep.id], cls: [cls.content, cls.id], ...settings });

const BYTE_LEVEL_DECODER = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };

const bytePair = ([file, mergesFile]: readonly string[]) => ({
  type: 'BPE',
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: '',
  end_of_word_suffix: '',
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  vocab: readJsonObject(file) ?? {},
  merges: linesOf(mergesFile).filter((line) => line !== '' && !line.startsWith('#version')),
});

function linesOf(file: string): string[] {
  const bytes = readRegularFile(file);
  if (bytes === undefined) throw invalidInput(`${file}: no such file`);
  const other = otherContent(bytes);
  if (other !== undefined) throw invalidInput(`${file}: ${other}`);
  return bytes.toString('utf8').split(/\r?\n/);
}
