/** Matrices of a head by their letters, in the order in which a set of them is written. */
export const HEAD_ROLES = ['q', 'k', 'v', 'o'] as const;
/** Matrix of a head: W_Q, W_K, W_V or W_O. */
export type HeadRole = (typeof HEAD_ROLES)[number];

/** Sets of a head's matrices, each written in the order of {@link HEAD_ROLES}. */
export type HeadTune = Exclude<`${'q' | ''}${'k' | ''}${'v' | ''}${'o' | ''}`, ''>;

/**
 * Tuned parts of each chosen head: its rows of W_Q, W_K and W_V, and its columns of W_O, for each
 * letter. `neurons`: rows of the feed-forward's first matrix and columns of its second instead, for
 * each chosen neuron.
 */
export type Tune = HeadTune | 'neurons';

/** Values of {@link HeadTune}, smaller sets first. */
export const HEAD_TUNES: readonly HeadTune[] = Array.from({ length: 15 }, (_, i) => 15 - i)
  .map((bits) => HEAD_ROLES.filter((_, at) => (bits >> (3 - at)) & 1).join('') as HeadTune)
  .sort((a, b) => a.length - b.length);

/** Values of {@link Tune}. */
export const TUNES: readonly Tune[] = [...HEAD_TUNES, 'neurons'];

/** Description of the texts that {@link tuneOf} reads. */
export const TUNE_RULE = 'letters of qkvo, each once, commas optional, or neurons';

/**
 * Reads what is tuned. Letters may have any order, with or without commas between them.
 *
 * @returns letters in their order; undefined for any other text
 */
export function tuneOf(text: string): Tune | undefined {
  if (text === 'neurons') return text;
  const parts = text.split(',').map((part) => part.trim());
  const letters = [...parts.join('')];
  if (parts.includes('')) return undefined;
  const inOrder = HEAD_ROLES.filter((role) => letters.includes(role));
  return inOrder.length > 0 && inOrder.length === letters.length ? (inOrder.join('') as HeadTune) : undefined;
}

/** Tuned matrices of the chosen heads; none with `neurons`. */
export const rolesOf = (tune: Tune): HeadRole[] =>
  tune === 'neurons' ? [] : HEAD_ROLES.filter((role) => tune.includes(role));
