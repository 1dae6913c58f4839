/** Names of a packed graph's further inputs, int64. */
export const PACKING = {
  /** Place of each of the T real tokens in [B, S], flat. [T] */
  tokens: 'tokens',
  /** Token at each place in [B, S], among the T; any for padding. [B, S] */
  places: 'places',
};

/** Form of a graph's inputs. */
export interface OnnxInputs {
  /** Whether tokens are the T real tokens, and padding is inserted for attention alone. */
  packed?: boolean;
  /** Whether `position_ids` is an input or the graph computes positions. */
  positions?: 'given' | 'computed';
  /** True if `token_type_ids` is an input; otherwise all tokens are of segment 0. */
  segments?: boolean;
}
