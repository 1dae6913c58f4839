import type { ModelConfig } from './architecture';
import { architectureOf } from './architectures';

/**
 * Each token's row of the position table. By the rule `fromZero` that is its place in the sequence.
 * By `afterPadding` tokens count from the row after the padding token's number; a padding token has
 * the row of its number, within a text too, and is not counted.
 *
 * @param ids [B, S] token ids, row by row
 * @returns [B, S]
 */
export function positionIds(
  { architecture, firstPosition, padTokenId }: Pick<ModelConfig, 'architecture' | 'firstPosition' | 'padTokenId'>,
  ids: Int32Array,
  S: number,
): Int32Array {
  if (architectureOf({ architecture }).positions === 'fromZero') return ids.map((_, token) => token % S);
  let next = firstPosition;
  return ids.map((id, token) => {
    if (token % S === 0) next = firstPosition;
    return id === padTokenId ? padTokenId : next++;
  });
}
