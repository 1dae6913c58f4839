import { isJsonObject } from '../foundation/json-file';
import { readTokenizerFiles } from './tokenizer/files';
import { type FramePart, frames } from './tokenizer/frame';

/**
 * Padding token of a model whose task head reads the rightmost token that is another one, as
 * transformers does: config.json's, else the tokenizer's, else the first token that ends a text.
 * Undefined if no file names one.
 *
 * Padding with the token that the tokenizer adds at the end of each text would hide that end from
 * the task head. Then another special token pads, if there is one.
 *
 * @param configured the token that config.json names
 * @param raw config.json
 */
export function padTokenOf(
  folder: string,
  configured: number | null | undefined,
  raw: Record<string, unknown>,
): number | undefined {
  const { pad, added, framing, ending } = specialTokensIn(folder);
  const eos = [raw.eos_token_id].flat().filter((id) => typeof id === 'number');
  const stored = added.find(({ content }) => content === pad)?.id;
  const named = configured ?? stored ?? eos[0];
  if (named === undefined || !ending.includes(named)) return named;
  if (stored !== undefined && !ending.includes(stored)) return stored;
  const free = added.filter(({ id, special }) => special && ![...framing, ...eos].includes(id));
  return (free.find(({ content }) => /pad/i.test(content)) ?? free[0])?.id ?? named;
}

/**
 * Text of a padding token that a folder's tokenizer does not name as its own. Undefined if it does,
 * or if the token has no text of its own.
 */
export function unnamedPad(folder: string, id: number): string | undefined {
  const { pad, added } = specialTokensIn(folder);
  const text = added.find((token) => token.id === id)?.content;
  return text === pad ? undefined : text;
}

interface SpecialTokens {
  /** Text of the padding token. */
  pad?: unknown;
  added: readonly { id: number; content: string; special?: boolean }[];
  /** Tokens that the tokenizer adds to a text or a pair. */
  framing: readonly number[];
  /** Those of them that come last. */
  ending: readonly number[];
}

/** Special tokens of a folder's tokenizer; none if it cannot be used, which its loading reports. */
function specialTokensIn(folder: string): SpecialTokens {
  try {
    const { tokenizer, config } = readTokenizerFiles(folder);
    const { single, pair } = frames(tokenizer.post_processor, () => true);
    const ids = (parts: readonly FramePart[]) => parts.flatMap((part) => ('id' in part ? [part.id] : []));
    return {
      pad: isJsonObject(config.pad_token) ? config.pad_token.content : config.pad_token,
      added: (tokenizer.added_tokens ?? []) as SpecialTokens['added'],
      framing: ids([...single, ...pair]),
      ending: ids([...single.slice(-1), ...pair.slice(-1)]),
    };
  } catch {
    return { added: [], framing: [], ending: [] };
  }
}
