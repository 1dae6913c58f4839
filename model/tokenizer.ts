import * as path from 'node:path';
import type { Encoded } from '../data/batches';
import { invalidInput } from '../errors';
import { type BertNormalizerSettings, bertNormalizer, bertWords } from './bert-normalizer';
import { oneLine, readJsonObject } from './json-file';

/** What is used of the library, whose own types are for ES modules alone. */
interface Library {
  normalizer: ((text: string) => string) | null;
  pre_tokenizer: ((text: string) => string[]) | null;
  post_processor: ((tokens: string[], second: string[] | null, special: boolean) => Frame) | null;
  encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
  token_to_id(token: string): number | undefined;
  get_vocab(): Map<string, number>;
}

interface Frame {
  tokens: string[];
  token_type_ids?: number[];
}

const { Tokenizer: LibraryTokenizer } = require('@huggingface/tokenizers') as {
  Tokenizer: new (tokenizer: object, config: object) => Library;
};

/** Text → token ids, the same as Python's `transformers` gives with `truncation='longest_first'`. */
export interface Tokenizer {
  /**
   * @param second the other text of a pair; an empty one is still a pair
   * @param maxLength most tokens, the special ones included; of a pair the longer text is cut first
   */
  encode(text: string, second: string | undefined, maxLength: number): Encoded;
  /** One more than the highest id; a model's vocabulary must not be smaller. */
  readonly vocabSize: number;
}

/** A token of the frame around the texts, or the place of a text. */
type FramePart = { id: number; type: number } | { text: 0 | 1; type: number };

interface TokenizerFiles {
  file: string;
  tokenizer: Record<string, unknown>;
  config: Record<string, unknown>;
}

/**
 * Reads `tokenizer.json` and, where there is one, `tokenizer_config.json` of a model folder.
 * @throws HifiError INVALID_INPUT, one line that names the file and what is wrong with it
 */
export function loadTokenizer(folder: string): Tokenizer {
  const files = readTokenizerFiles(folder);
  const library = build(files);
  const single = frame(library, files, false);
  const pair = frame(library, files, true);
  const cutLeft = files.config.truncation_side === 'left';
  const tokenIds = (text: string) => library.encode(text, { add_special_tokens: false }).ids;
  return {
    vocabSize: 1 + [...library.get_vocab().values()].reduce((highest, id) => Math.max(highest, id), -1),
    encode(text, second, maxLength) {
      const parts = second === undefined ? single : pair;
      const texts = second === undefined ? [tokenIds(text)] : [tokenIds(text), tokenIds(second)];
      const room = maxLength - (parts.length - texts.length);
      if (room < 0)
        throw invalidInput(`maxLength is ${maxLength}; it must be ${maxLength - room} or more for the special tokens`);
      const kept = longestFirst(
        texts.map((ids) => ids.length),
        room,
      );
      return fill(
        parts,
        texts.map((ids, i) => (cutLeft ? ids.slice(ids.length - kept[i]) : ids.slice(0, kept[i]))),
      );
    },
  };
}

/**
 * How many tokens of each text are kept: Hugging Face's `longest_first`. The longer text is cut down to the shorter one's
 * length; if that is not enough, both get half, and the one that was longer (or the second) the odd token.
 */
export function longestFirst(lengths: number[], room: number): number[] {
  if (lengths.length === 1) return [Math.min(lengths[0], room)];
  const [first, second] = lengths;
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  let [less, more] = [shorter, Math.max(shorter, room - shorter)];
  if (less + more > room) {
    less = Math.floor(room / 2);
    more = room - less;
  }
  return first > second ? [more, less] : [less, more];
}

function fill(parts: readonly FramePart[], texts: readonly number[][]): Encoded {
  const ids: number[] = [];
  const typeIds: number[] = [];
  for (const part of parts) {
    for (const id of 'id' in part ? [part.id] : texts[part.text]) {
      ids.push(id);
      typeIds.push(part.type);
    }
  }
  return { ids, typeIds };
}

/** What the tokenizer's own post-processor puts around one text or two, found by asking it with two markers. */
function frame(library: Library, { file }: TokenizerFiles, pair: boolean): FramePart[] {
  const markers = ['\u0000first', '\u0000second'];
  const parts: FramePart[] = [];
  const around = library.post_processor?.([markers[0]], pair ? [markers[1]] : null, true);
  const tokens: string[] = around?.tokens ?? (pair ? markers : [markers[0]]);
  for (const [i, token] of tokens.entries()) {
    const type = around?.token_type_ids?.[i] ?? 0;
    const text = markers.indexOf(token);
    const id = library.token_to_id(token);
    if (text >= 0) parts.push({ text: text as 0 | 1, type });
    else if (id !== undefined) parts.push({ id, type });
    else throw invalidInput(`${file}: post_processor adds "${token}"; it must be a token of the vocabulary`);
  }
  return parts;
}

function readTokenizerFiles(folder: string): TokenizerFiles {
  const file = path.join(folder, 'tokenizer.json');
  const tokenizer = readJsonObject(file);
  if (!tokenizer) {
    throw invalidInput(`${file}: no such file; a model folder holds config.json, model.safetensors, tokenizer.json`);
  }
  return { file, tokenizer, config: readJsonObject(path.join(folder, 'tokenizer_config.json')) ?? {} };
}

function build({ file, tokenizer, config }: TokenizerFiles): Library {
  try {
    const library = new LibraryTokenizer(tokenizer, config);
    const normalizer = tokenizer.normalizer as ({ type?: string } & BertNormalizerSettings) | null;
    if (normalizer?.type === 'BertNormalizer')
      library.normalizer = bertNormalizer({ ...normalizer, ...bertOverrides(config) });
    if ((tokenizer.pre_tokenizer as { type?: string } | null)?.type === 'BertPreTokenizer')
      library.pre_tokenizer = bertWords;
    library.encode('a');
    return library;
  } catch (cause) {
    throw invalidInput(`${file}: is no tokenizer that can be used (${oneLine(cause)})`, cause);
  }
}

/** What tokenizer_config.json says of BERT's normalizer: `transformers` lets it win over tokenizer.json. */
function bertOverrides(config: Record<string, unknown>): BertNormalizerSettings {
  const { tokenizer_class = 'BertTokenizer', do_lower_case, tokenize_chinese_chars, strip_accents } = config;
  if (!String(tokenizer_class).startsWith('BertTokenizer')) return {};
  return {
    ...(typeof do_lower_case === 'boolean' && { lowercase: do_lower_case }),
    ...(typeof tokenize_chinese_chars === 'boolean' && { handle_chinese_chars: tokenize_chinese_chars }),
    ...((typeof strip_accents === 'boolean' || strip_accents === null) && { strip_accents }),
  };
}
