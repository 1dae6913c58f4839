import type { AddedToken } from './added-tokens';

/** Equivalent of a `TemplateProcessing` in tokenizer.json. `A` and `B` are the texts. */
type Part = AddedToken | 'A' | 'B';

/**
 * Creates a post-processor of tokenizer.json.
 * @param pair parts of a pair after those of its first text
 * @param second segment of these parts
 */
export function template(single: readonly Part[], pair: readonly Part[], second: 0 | 1): Record<string, unknown> {
  const written = (type_id: number) => (part: Part) =>
    typeof part === 'string' ? { Sequence: { id: part, type_id } } : { SpecialToken: { id: part.content, type_id } };
  const tokens = [...single, ...pair].filter((part) => typeof part !== 'string');
  return {
    type: 'TemplateProcessing',
    single: single.map(written(0)),
    pair: [...single.map(written(0)), ...pair.map(written(second))],
    special_tokens: Object.fromEntries(
      tokens.map(({ content, id }) => [content, { id: content, ids: [id], tokens: [content] }]),
    ),
  };
}
