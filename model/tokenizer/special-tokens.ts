import * as path from 'node:path';
import { isJsonObject, readJsonObject } from '../../foundation/json-file';
import { type AddedToken, numbered } from './added-tokens';

/** Special tokens of RoBERTa and its descendants, which fairseq's dictionary begins with. */
export const ROBERTA_TOKENS = {
  bos_token: '<s>',
  eos_token: '</s>',
  unk_token: '<unk>',
  sep_token: '</s>',
  pad_token: '<pad>',
  cls_token: '<s>',
  mask_token: '<mask>',
};

/** Special token in one of the older files, with its properties. */
export type SpecialToken = Omit<AddedToken, 'id'> & { special: boolean };

type Json = Record<string, unknown>;

/** Roles of special tokens, in the order in which transformers adds them. */
const ROLES = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'] as const;
type AnyRole = (typeof ROLES)[number];

/** Special tokens of a model folder, before the vocabulary gives them ids. */
export interface SpecialTokens<Role extends string> {
  /** Text of the token of each role. */
  texts: Record<Role, string>;
  /** Equivalent of `added_tokens` in tokenizer.json, and the token of each role. */
  numbered(vocab: ReadonlyMap<string, number>): { added: AddedToken[]; roles: Record<Role, AddedToken> };
}

/**
 * Collects the special tokens of a model folder without tokenizer.json. They are in
 * `tokenizer_config.json`; if it does not list added tokens, in the older `special_tokens_map.json`
 * and `added_tokens.json`.
 *
 * @param defaults token of each role that the files do not name: its text, or also the properties
 *   of a token that the files name by its text alone
 * @param extra other special tokens of a SentencePiece model. Those of tokenizer_config.json
 *   replace them; they replace those of special_tokens_map.json
 */
export function readSpecialTokens<Role extends AnyRole>(
  folder: string,
  config: Json,
  defaults: Record<Role, string | SpecialToken>,
  extra?: readonly SpecialToken[],
): SpecialTokens<Role> {
  const listed = isJsonObject(config.added_tokens_decoder) ? config.added_tokens_decoder : undefined;
  const settings: Json = listed
    ? config
    : { ...config, ...readJsonObject(path.join(folder, 'special_tokens_map.json')) };
  const withDefaults: Partial<Record<AnyRole, string | SpecialToken>> = defaults;
  const ofRole = ROLES.flatMap((role) => {
    const found = tokenOfRole(settings[role], withDefaults[role]);
    return found ? [[role, found] as const] : [];
  });
  const additional = (extra ? config : settings).additional_special_tokens;
  const lists = [additional, settings.extra_special_tokens].filter(Array.isArray);
  const listedOthers = lists.flat().flatMap((token) => specialToken(token) ?? []);
  const others = lists.length === 0 && extra ? extra : listedOthers;
  const before = listed
    ? Object.values(listed).flatMap((token) => specialToken(token) ?? [])
    : olderTokens(
        folder,
        new Set([...ROLES.map((role) => specialToken(settings[role])), ...others].map((each) => each?.content)),
      );
  const all = [...before, ...ofRole.map(([, token]) => token), ...others];
  return {
    texts: Object.fromEntries(ofRole.map(([role, { content }]) => [role, content])) as Record<Role, string>,
    numbered(vocab) {
      // Of two tokens with the same text the first takes precedence.
      const tokens = new Map(all.toReversed().map((token) => [token.content, token]));
      const added = numbered([...tokens.values()].reverse(), vocab);
      const byContent = new Map(added.map((token) => [token.content, token]));
      const found = ofRole.map(([role, { content }]) => [role, byContent.get(content)]);
      return { added, roles: Object.fromEntries(found) };
    },
  };
}

function tokenOfRole(stored: unknown, fallback: string | SpecialToken | undefined): SpecialToken | undefined {
  const token = specialToken(stored);
  if (fallback === undefined) return token;
  const usual = typeof fallback === 'string' ? named(fallback) : fallback;
  return typeof stored === 'string' ? { ...usual, content: stored } : (token ?? usual);
}

/** Tokens of `added_tokens.json`, in the order of their numbers. */
function olderTokens(folder: string, special: ReadonlySet<string | undefined>): SpecialToken[] {
  const older = Object.entries(readJsonObject(path.join(folder, 'added_tokens.json')) ?? {});
  return older
    .sort(([, a], [, b]) => Number(a) - Number(b))
    .map(([content]) => ({ ...named(content), normalized: !special.has(content), special: special.has(content) }));
}

const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

/** Special token that is found as it stands. */
export const named = (content: string): SpecialToken => ({ ...PLAIN, content });

/**
 * Token as the files write it: its text, or an object with its properties; undefined for anything
 * else.
 */
function specialToken(json: unknown): SpecialToken | undefined {
  if (typeof json === 'string') return named(json);
  if (!isJsonObject(json) || typeof json.content !== 'string') return undefined;
  const present = Object.keys(PLAIN).filter((name) => typeof json[name] === 'boolean');
  return { ...named(json.content), ...Object.fromEntries(present.map((name) => [name, json[name]])) };
}
