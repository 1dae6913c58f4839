import type { AddedToken } from './added-tokens';
import { NOTHING, startAndEnd } from './older-files';
import { readSentencePiece, type SentencePiece, type SentencePieceModel } from './sentencepiece-file';
import { named, ROBERTA_TOKENS, readSpecialTokens, type SpecialToken } from './special-tokens';
import { template } from './template';

/*
 * Equivalents of tokenizer.json for SentencePiece models, as the tokenizer classes of transformers
 * 5 build them. Where a class departs from SentencePiece itself, so does its function.
 */

type Json = Record<string, unknown>;
type Scored = [piece: string, score: number];

/** Folder, its model and its tokenizer_config.json. */
interface Source {
  folder: string;
  model: SentencePieceModel;
  config: Json;
}

/** Functions by class. */
const BUILDERS: Readonly<Record<string, (source: Source) => Json>> = {
  XLMRoberta: xlmRoberta,
  Camembert: camembert,
  DebertaV2: debertaV2,
  Albert: albert,
  T5: t5,
  Llama: llama,
  TokenizersBackend: plain,
  PreTrained: plain,
};

/** Supported classes of transformers, without `Tokenizer`. */
export const SENTENCEPIECE_CLASSES: readonly string[] = Object.keys(BUILDERS);

/**
 * Builds the equivalent of tokenizer.json for a SentencePiece model, as a tokenizer class does.
 * @param className one of {@link SENTENCEPIECE_CLASSES}
 */
export function fromSentencePiece(folder: string, config: Json, [file]: readonly string[], className: string): Json {
  return { ...NOTHING, ...BUILDERS[className]({ folder, model: readSentencePiece(file), config }) };
}

/** Ids of fairseq: four special tokens, the pieces from the fourth on, the mask. */
function xlmRoberta({ folder, model, config }: Source): Json {
  const special = readSpecialTokens(folder, config, ROBERTA_TOKENS, controlTokens(model));
  const { bos_token: bos, pad_token: pad, eos_token: eos, unk_token: unknown, mask_token: mask } = special.texts;
  const vocab = [...unscored(bos, pad, eos, unknown), ...scored(model).slice(3), ...unscored(mask)];
  const { added, roles } = special.numbered(idsOf(vocab));
  return {
    added_tokens: added,
    normalizer: precompiled(model),
    pre_tokenizer: words(config),
    post_processor: doubled(roles.bos_token, roles.eos_token),
    model: unigram(vocab, 3),
  };
}

/** Ids of fairseq with the unused entries of CamemBERT's dictionary. */
function camembert({ folder, model, config }: Source): Json {
  const mask = { ...named('<mask>'), lstrip: true };
  const special = readSpecialTokens(folder, config, { ...ROBERTA_TOKENS, mask_token: mask }, controlTokens(model));
  const { pad_token, unk_token, mask_token } = special.texts;
  const vocab: Scored[] = [
    ...unscored('<s>NOTUSED', pad_token, '</s>NOTUSED', unk_token),
    ['<unk>NOTUSED', -100],
    ...scored(model).slice(1),
    ...unscored(mask_token),
  ];
  const { added, roles } = special.numbered(idsOf(vocab));
  return {
    added_tokens: added,
    normalizer: precompiled(model),
    pre_tokenizer: words(config),
    post_processor: doubled(roles.bos_token, roles.eos_token),
    model: unigram(
      vocab,
      vocab.findIndex(([piece]) => piece === unk_token),
    ),
  };
}

/** The model's own ids. transformers 5 does not apply the model's character map. */
function debertaV2({ folder, model, config }: Source): Json {
  const defaults = { ...BERT_LIKE, bos_token: '[CLS]', eos_token: '[SEP]', unk_token: '[UNK]', pad_token: '[PAD]' };
  const special = readSpecialTokens(folder, config, defaults, controlTokens(model));
  const vocab = scored(model);
  const { added, roles } = special.numbered(idsOf(vocab));
  const unknown = vocab.findIndex(([piece, score]) => piece === special.texts.unk_token && score === 0);
  return {
    added_tokens: added,
    normalizer: sequence(
      ...(config.do_lower_case === true ? [{ type: 'Lowercase' }] : []),
      { type: 'Replace', pattern: { Regex: String.raw`\s{2,}|[\n\r\t]` }, content: ' ' },
      { type: 'NFC' },
      { type: 'Strip', strip_left: false, strip_right: true },
    ),
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        ...(config.split_by_punct === true ? [{ type: 'Punctuation', behavior: 'Isolated' }] : []),
        metaspace(config.add_prefix_space === false ? 'first' : 'always'),
      ],
    },
    post_processor: template([roles.cls_token, 'A', roles.sep_token], ['B', roles.sep_token], 1),
    model: unigram(vocab, unknown < 0 ? model.unknown.id : unknown),
  };
}

const BERT_LIKE = { sep_token: '[SEP]', cls_token: '[CLS]', mask_token: '[MASK]' };

function albert({ folder, model, config }: Source): Json {
  const defaults = { ...BERT_LIKE, bos_token: '[CLS]', eos_token: '[SEP]', unk_token: '<unk>', pad_token: '<pad>' };
  const special = readSpecialTokens(folder, config, defaults, controlTokens(model));
  const vocab = scored(model);
  const { added, roles } = special.numbered(idsOf(vocab));
  const quote = (pattern: string) => ({ type: 'Replace', pattern: { String: pattern }, content: '"' });
  const accents = config.keep_accents === true ? [] : [{ type: 'NFKD' }, { type: 'StripAccents' }];
  const lower = config.do_lower_case === false ? [] : [{ type: 'Lowercase' }];
  const map = precompiled(model);
  return {
    added_tokens: added,
    normalizer: sequence(quote('``'), quote("''"), ...accents, ...lower, ...(map ? [map] : [])),
    pre_tokenizer: words(config),
    post_processor: template([roles.cls_token, 'A', roles.sep_token], ['B', roles.sep_token], 1),
    model: unigram(vocab, 1),
  };
}

/** The model's own ids, then its sentinels in falling order. */
function t5({ folder, model, config }: Source): Json {
  const count = typeof config.extra_ids === 'number' ? config.extra_ids : 100;
  const sentinels = Array.from({ length: count }, (_, i) => `<extra_id_${i}>`);
  const defaults = { eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' };
  const extra = [...controlTokens(model), ...sentinels.map(named)];
  const special = readSpecialTokens(folder, config, defaults, extra);
  const vocab = [...scored(model), ...unscored(...sentinels.toReversed())];
  const { added, roles } = special.numbered(idsOf(vocab));
  const eos = { ...roles.eos_token, content: '</s>' };
  return {
    added_tokens: added,
    normalizer: precompiled(model),
    pre_tokenizer: words({}),
    post_processor: template(['A', eos], ['B', eos], 0),
    model: unigram(vocab, 2),
  };
}

/** Byte-pair encoding of whole texts. A character without a piece becomes its bytes' pieces. */
function llama({ folder, model, config }: Source): Json {
  const defaults = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' };
  const special = readSpecialTokens(folder, config, defaults, controlTokens(model));
  const vocab = idsOf(scored(model));
  const { added, roles } = special.numbered(vocab);
  return {
    added_tokens: added,
    ...llamaText(bytePair(vocab), config),
    post_processor: startAndEnd(roles, config),
  };
}

/**
 * Normalizer, words and model of `LlamaTokenizer`, for any vocabulary and merges.
 * @param config content of tokenizer_config.json
 */
export function llamaText(model: Json, { legacy, add_prefix_space }: Json): Json {
  const first = legacy === true ? 'always' : 'first';
  return {
    normalizer: null,
    pre_tokenizer: { ...metaspace(add_prefix_space === false ? 'never' : first), split: false },
    model: { ...model, ...BYTE_PAIRS },
  };
}

/** The model as it stands, without a space before a text: transformers' class for any model. */
function plain({ folder, model, config }: Source): Json {
  const { unknown, start, end, byteFallback: byte_fallback } = model;
  const roles = { bos_token: start, eos_token: end, unk_token: unknown };
  const present = Object.entries(roles).filter(([, { id }]) => id >= 0);
  const defaults = Object.fromEntries(present.map(([role, { piece }]) => [role, piece])) as Record<
    keyof typeof roles,
    string
  >;
  const special = readSpecialTokens(folder, config, defaults, controlTokens(model));
  const vocab = scored(model);
  const ids = idsOf(vocab);
  const { added, roles: found } = special.numbered(ids);
  const map = precompiled(model);
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  return {
    added_tokens: added,
    normalizer: sequence(...(map ? [map] : []), spaces),
    pre_tokenizer: null,
    post_processor: startAndEnd(found, config),
    model:
      model.type === 'Unigram'
        ? { ...unigram(vocab, unknown.id), byte_fallback }
        : { ...bytePair(ids), unk_token: unknown.piece, byte_fallback },
  };
}

/**
 * Every way to join two pieces into a third, in the order of the third's id, then of the first's
 * length.
 */
function mergesOf(vocab: ReadonlyMap<string, number>): [left: string, right: string][] {
  const merges: [string, string][] = [];
  for (const [piece] of [...vocab].sort(([, a], [, b]) => a - b)) {
    for (let at = 1; at < piece.length; at++) {
      const [left, right] = [piece.slice(0, at), piece.slice(at)];
      if (vocab.has(left) && vocab.has(right)) merges.push([left, right]);
    }
  }
  return merges;
}

const scored = ({ pieces }: SentencePieceModel): Scored[] => pieces.map(({ piece, score }) => [piece, score]);

const unscored = (...pieces: string[]): Scored[] => pieces.map((piece) => [piece, 0]);

const idsOf = (vocab: readonly Scored[]) => new Map(vocab.map(([piece], id) => [piece, id]));

const BYTE_PAIRS = { type: 'BPE', unk_token: null, fuse_unk: true, byte_fallback: true, ignore_merges: false };

const bytePair = (vocab: ReadonlyMap<string, number>): Json => ({
  ...BYTE_PAIRS,
  vocab: Object.fromEntries(vocab),
  merges: mergesOf(vocab),
});

const unigram = (vocab: Scored[], unk_id: number): Json => ({ type: 'Unigram', unk_id, vocab, byte_fallback: false });

/** Control pieces and those of the user, which are found in the text itself. */
const controlTokens = ({ pieces }: SentencePieceModel): SpecialToken[] =>
  pieces.flatMap(({ piece, added }: SentencePiece) => (added ? [{ ...named(piece), special: added.special }] : []));

const sequence = (...normalizers: Json[]): Json => ({ type: 'Sequence', normalizers });

const precompiled = ({ charsmap }: SentencePieceModel): Json | null =>
  charsmap === undefined ? null : { type: 'Precompiled', precompiled_charsmap: charsmap };

const metaspace = (prepend_scheme: 'always' | 'first' | 'never'): Json => ({
  type: 'Metaspace',
  replacement: '▁',
  prepend_scheme,
  split: true,
});

/** Words without white space, each with a mark before it. */
const words = ({ add_prefix_space }: Json): Json => ({
  type: 'Sequence',
  pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace(add_prefix_space === false ? 'never' : 'always')],
});

/** Frame of one segment, with two separators between the texts. */
const doubled = (start: AddedToken, end: AddedToken): Json => template([start, 'A', end], [end, 'B', end], 0);
