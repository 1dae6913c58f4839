import { invalidInput } from '../../foundation/errors';
import { readJsonObject } from '../../foundation/json-file';
import { otherContent, readRegularFile } from '../../foundation/regular-file';
import { specialTokens } from './special-tokens';
import { vocabularyMap } from './vocabulary';

type Json = Record<string, unknown>;

const NOTHING = { version: '1.0', truncation: null, padding: null };

/**
 * Builds the equivalent of tokenizer.json for BERT's `vocab.txt`, with one token per line, as
 * `transformers` does.
 * @param config content of tokenizer_config.json
 */
export function fromVocabTxt(folder: string, file: string, config: Json): Json {
  const lines = linesOf(file);
  if (lines.at(-1) === '') lines.pop();
  const vocab = new Map(lines.map((token, id) => [token, id]));
  const { added, roles } = specialTokens(folder, config, vocab, {
    unk_token: '[UNK]',
    sep_token: '[SEP]',
    pad_token: '[PAD]',
    cls_token: '[CLS]',
    mask_token: '[MASK]',
  });
  const { cls_token: cls, sep_token: sep, unk_token: unknown } = roles;
  const token = ({ content }: { content: string }, type_id: number) => ({ SpecialToken: { id: content, type_id } });
  const text = (id: 'A' | 'B', type_id: number) => ({ Sequence: { id, type_id } });
  const single = [token(cls, 0), text('A', 0), token(sep, 0)];
  const described = [cls, sep].map(({ id, content }) => [content, { id: content, ids: [id], tokens: [content] }]);
  return {
    ...NOTHING,
    added_tokens: added,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
      ...bertSettings(config),
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, text('B', 1), token(sep, 1)],
      special_tokens: Object.fromEntries(described),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unknown.content,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab),
    },
  };
}

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
 * Builds the equivalent of tokenizer.json for RoBERTa's `vocab.json` and `merges.txt`, with one
 * pair per line, as `transformers` does.
 */
export function fromVocabAndMerges(folder: string, file: string, mergesFile: string, config: Json): Json {
  const vocab = readJsonObject(file) ?? {};
  const { added, roles } = specialTokens(folder, config, vocabularyMap(vocab), {
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    sep_token: '</s>',
    pad_token: '<pad>',
    cls_token: '<s>',
    mask_token: '<mask>',
  });
  const { cls_token: cls, sep_token: sep } = roles;
  const merges = linesOf(mergesFile);
  const byteLevel = { add_prefix_space: config.add_prefix_space === true, trim_offsets: true };
  return {
    ...NOTHING,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', ...byteLevel, use_regex: true },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [sep.content, sep.id],
      cls: [cls.content, cls.id],
      ...byteLevel,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: merges.filter((line) => line !== '' && !line.startsWith('#version')),
    },
  };
}

function linesOf(file: string): string[] {
  const bytes = readRegularFile(file);
  if (bytes === undefined) throw invalidInput(`${file}: no such file`);
  const other = otherContent(bytes);
  if (other !== undefined) throw invalidInput(`${file}: ${other}`);
  return bytes.toString('utf8').split(/\r?\n/);
}
