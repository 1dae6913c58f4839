import type { ModelConfig } from './config';
import { FAMILIES } from './families';

/**
 * Each token's row of the position table. Where a family's first position comes after the padding token's number, that token
 * has that row wherever it stands, within a text too, and is not counted.
 * @param ids [B, S] token ids, row by row
 * @returns [B, S]
 */
export function positionIds(
  { family, firstPosition, padTokenId }: Pick<ModelConfig, 'family' | 'firstPosition' | 'padTokenId'>,
  ids: Int32Array,
  S: number,
): Int32Array {
  if (FAMILIES[family].firstPosition === 'zero') return ids.map((_, token) => token % S);
  let next = firstPosition;
  return ids.map((id, token) => {
    if (token % S === 0) next = firstPosition;
    return id === padTokenId ? padTokenId : next++;
  });
}
