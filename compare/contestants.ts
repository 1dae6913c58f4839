import { STRATEGIES, type Strategy } from '../heads/mask';
import type { RankingOptions } from '../heads/ranking';

/** Rankings by another reading than the defaults, by name; each but the first differs in one thing. */
const READINGS = {
  /** The paper's words taken literally (docs/method.md). */
  'hifi-literal': { correlation: 'covariance', teleport: 'uniform', damping: 0.85 },
  'hifi-covariance': { correlation: 'covariance' },
  'hifi-uniform': { teleport: 'uniform' },
  'hifi-0.85': { damping: 0.85 },
} as const satisfies Record<string, Partial<RankingOptions>>;

/** Full fine-tuning (docs/method.md): heads and all that is beside them. */
export const FULL = 'full';

/** Logistic regression on embeddings of the frozen model: nothing of it is tuned. */
export const LOGISTIC = 'logistic';

/** Who can be compared: every strategy, `hifi` in other readings, full fine-tuning, and logistic regression. */
export const CONTESTANTS = [
  ...STRATEGIES,
  ...(Object.keys(READINGS) as (keyof typeof READINGS)[]),
  FULL,
  LOGISTIC,
] as const;
export type Contestant = (typeof CONTESTANTS)[number];

/** The strategy of a contestant that tunes the model, and what its ranking has other than the defaults. */
export function selectionOf(contestant: Exclude<Contestant, typeof LOGISTIC>): {
  strategy: Strategy;
  ranking: Partial<RankingOptions>;
} {
  if (contestant === FULL) return { strategy: 'all', ranking: {} };
  if (contestant in READINGS) return { strategy: 'hifi', ranking: READINGS[contestant as keyof typeof READINGS] };
  return { strategy: contestant as Strategy, ranking: {} };
}
