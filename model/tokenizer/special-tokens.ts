import * as path from 'node:path';
import { isJsonObject, readJsonObject } from '../../foundation/json-file';
import { type AddedToken, numbered } from './added-tokens';

/** A token that the small files name, with its properties. */
type SpecialToken = Omit<AddedToken, 'id'> & { special: boolean };

type Json = Record<string, unknown>;

/**
 * The special tokens of a model folder without tokenizer.json: `tokenizer_config.json`, and where it does not list its added
 * tokens the older `special_tokens_map.json` and `added_tokens.json`.
 *
 * @param defaults the token of each role where the files say nothing
 * @returns what `added_tokens` of tokenizer.json would hold, and the token that has each role
 */
export function specialTokens<Role extends string>(
  folder: string,
  config: Json,
  vocab: ReadonlyMap<string, number>,
  defaults: Record<Role, string>,
): { added: AddedToken[]; roles: Record<Role, AddedToken> } {
  const listed = isJsonObject(config.added_tokens_decoder) ? config.added_tokens_decoder : undefined;
  const told: Json = listed ? config : { ...config, ...readJsonObject(path.join(folder, 'special_tokens_map.json')) };
  const roles = Object.keys(defaults) as Role[];
  const ofRole = roles.map((role) => specialToken(told[role]) ?? named(defaults[role]));
  const others = [told.additional_special_tokens, told.extra_special_tokens]
    .flatMap((list) => (Array.isArray(list) ? list : []))
    .flatMap((token) => specialToken(token) ?? []);
  const before = listed
    ? Object.values(listed).flatMap((token) => specialToken(token) ?? [])
    : olderTokens(
        folder,
        new Set([...roles.map((role) => specialToken(told[role])), ...others].map((each) => each?.content)),
      );
  // Of two tokens with one text the first counts.
  const tokens = new Map([...before, ...ofRole, ...others].reverse().map((token) => [token.content, token]));
  const added = numbered([...tokens.values()].reverse(), vocab);
  const byContent = new Map(added.map((token) => [token.content, token]));
  const found = roles.map((role, i) => [role, byContent.get(ofRole[i].content)]);
  return { added, roles: Object.fromEntries(found) };
}

/** The tokens of `added_tokens.json`, in the order of their numbers. */
function olderTokens(folder: string, special: ReadonlySet<string | undefined>): SpecialToken[] {
  const older = Object.entries(readJsonObject(path.join(folder, 'added_tokens.json')) ?? {});
  return older
    .sort(([, a], [, b]) => Number(a) - Number(b))
    .map(([content]) => ({ ...named(content), normalized: !special.has(content), special: special.has(content) }));
}

const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

const named = (content: string): SpecialToken => ({ ...PLAIN, content });

/** A token as the files write it: its text, or an object with its properties; undefined for anything else. */
function specialToken(json: unknown): SpecialToken | undefined {
  if (typeof json === 'string') return named(json);
  if (!isJsonObject(json) || typeof json.content !== 'string') return undefined;
  const told = Object.keys(PLAIN).filter((name) => typeof json[name] === 'boolean');
  return { ...named(json.content), ...Object.fromEntries(told.map((name) => [name, json[name]])) };
}
