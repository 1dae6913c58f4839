import { STRATEGIES, type Strategy } from '../heads/mask';
import type { RankingOptions } from '../heads/ranking';

/** Other readings of the paper's ranking, by name; each but the first differs in one option. */
const READINGS = {
  /** Literal reading of the paper (docs/method.md). */
  'hifi-literal': { correlation: 'covariance', teleport: 'uniform', damping: 0.85 },
  'hifi-covariance': { correlation: 'covariance' },
  'hifi-uniform': { teleport: 'uniform' },
  'hifi-0.85': { damping: 0.85 },
} as const satisfies Record<string, Partial<RankingOptions>>;

/** Full fine-tuning: heads and all other parameters (docs/method.md). */
export const FULL = 'full';

/** Logistic regression on embeddings of the frozen model. */
export const LOGISTIC = 'logistic';

/** Methods of a comparison: strategies, other readings of `hifi`, `full` and `logistic`. */
export const METHODS = [
  ...STRATEGIES,
  ...(Object.keys(READINGS) as (keyof typeof READINGS)[]),
  FULL,
  LOGISTIC,
] as const;
export type Method = (typeof METHODS)[number];

/** Strategy of a method that tunes the model, and ranking options that differ from the defaults. */
export function selectionOf(method: Exclude<Method, typeof LOGISTIC>): {
  strategy: Strategy;
  ranking: Partial<RankingOptions>;
} {
  if (method === FULL) return { strategy: 'all', ranking: {} };
  if (method in READINGS) return { strategy: 'hifi', ranking: READINGS[method as keyof typeof READINGS] };
  return { strategy: method as Strategy, ranking: {} };
}
