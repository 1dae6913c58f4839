import * as path from 'node:path';
import { isJsonObject, readJsonObject } from '../../foundation/json-file';
import { type AddedToken, numbered } from './added-tokens';

/** Special token in one of the older files, with its properties. */
type SpecialToken = Omit<AddedToken, 'id'> & { special: boolean };

type Json = Record<string, unknown>;

/**
 * Collects the special tokens of a model folder without tokenizer.json. They are in
 * `tokenizer_config.json`; if it does not list added tokens, in the older `special_tokens_map.json`
 * and `added_tokens.json`.
 *
 * @param defaults token of each role that the files do not name
 * @returns the equivalent of `added_tokens` in tokenizer.json, and the token of each role
 */
export function specialTokens<Role extends string>(
  folder: string,
  config: Json,
  vocab: ReadonlyMap<string, number>,
  defaults: Record<Role, string>,
): { added: AddedToken[]; roles: Record<Role, AddedToken> } {
  const listed = isJsonObject(config.added_tokens_decoder) ? config.added_tokens_decoder : undefined;
  const settings: Json = listed
    ? config
    : { ...config, ...readJsonObject(path.join(folder, 'special_tokens_map.json')) };
  const roles = Object.keys(defaults) as Role[];
  const ofRole = roles.map((role) => specialToken(settings[role]) ?? named(defaults[role]));
  const others = [settings.additional_special_tokens, settings.extra_special_tokens]
    .flatMap((list) => (Array.isArray(list) ? list : []))
    .flatMap((token) => specialToken(token) ?? []);
  const before = listed
    ? Object.values(listed).flatMap((token) => specialToken(token) ?? [])
    : olderTokens(
        folder,
        new Set([...roles.map((role) => specialToken(settings[role])), ...others].map((each) => each?.content)),
      );
  // Of two tokens with the same text the first takes precedence.
  const tokens = new Map([...before, ...ofRole, ...others].reverse().map((token) => [token.content, token]));
  const added = numbered([...tokens.values()].reverse(), vocab);
  const byContent = new Map(added.map((token) => [token.content, token]));
  const found = roles.map((role, i) => [role, byContent.get(ofRole[i].content)]);
  return { added, roles: Object.fromEntries(found) };
}

/** Tokens of `added_tokens.json`, in the order of their numbers. */
function olderTokens(folder: string, special: ReadonlySet<string | undefined>): SpecialToken[] {
  const older = Object.entries(readJsonObject(path.join(folder, 'added_tokens.json')) ?? {});
  return older
    .sort(([, a], [, b]) => Number(a) - Number(b))
    .map(([content]) => ({ ...named(content), normalized: !special.has(content), special: special.has(content) }));
}

const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

const named = (content: string): SpecialToken => ({ ...PLAIN, content });

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
