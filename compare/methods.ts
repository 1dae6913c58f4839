import type { FurtherTuning } from '../delta/tuning';
import { STRATEGIES, type Strategy } from '../heads/mask';
import type { RankingOptions } from '../heads/ranking';
import type { Tune } from '../heads/tune';
import type { ModelConfig } from '../model/config';
import { BASELINES, type Baseline } from './baselines';

/** Other readings of the paper's ranking, by name; each but the first differs in one option. */
const READINGS = {
  /** Literal reading of the paper (docs/method.md). */
  'hifi-literal': { correlation: 'covariance', teleport: 'uniform', damping: 0.85 },
  'hifi-covariance': { correlation: 'covariance' },
  'hifi-uniform': { teleport: 'uniform' },
  'hifi-0.85': { damping: 0.85 },
} as const satisfies Record<string, Partial<RankingOptions>>;

/** Logistic regression on embeddings of the frozen model. */
export const LOGISTIC = 'logistic';

/** Logistic regression on embeddings of the whole model, tuned on pairs of rows. */
export const SETFIT = 'setfit';

/**
 * Methods of a comparison: strategies, other readings of `hifi`, baselines that tune the model,
 * `setfit` and `logistic`.
 */
export const METHODS = [
  ...STRATEGIES,
  ...(Object.keys(READINGS) as (keyof typeof READINGS)[]),
  ...(Object.keys(BASELINES) as (keyof typeof BASELINES)[]),
  SETFIT,
  LOGISTIC,
] as const;
export type Method = (typeof METHODS)[number];

/** Methods that need rows of one class each. */
export const NEEDS_CLASSES: ReadonlySet<Method> = new Set([LOGISTIC, SETFIT, 'contrast']);

/** Method that tunes the model, with a learning rate. */
export type TunedMethod = Exclude<Method, typeof LOGISTIC>;

/** Method whose training is that of a mask, with a task head. */
export type MaskedMethod = Exclude<TunedMethod, typeof SETFIT>;

/** True for a method whose training is that of a mask. */
export const isMasked = (method: Method): method is MaskedMethod => method !== LOGISTIC && method !== SETFIT;

/** Strategy of a method, and options of the selection that differ from the defaults. */
export function selectionOf(method: MaskedMethod): { strategy: Strategy } & Partial<RankingOptions & { tune: Tune }> {
  if (method in READINGS) return { strategy: 'hifi', ...READINGS[method as keyof typeof READINGS] };
  const { further: _, ...selection } = baselineOf(method) ?? { strategy: method as Strategy };
  return selection;
}

/** What a method tunes beside the chosen heads; undefined for nothing. */
export const furtherOf = (method: MaskedMethod, config: ModelConfig): FurtherTuning | undefined =>
  baselineOf(method)?.further(config);

const baselineOf = (method: string): Baseline | undefined => BASELINES[method as keyof typeof BASELINES];
