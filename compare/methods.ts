import type { FurtherTuning } from '../delta/tuning';
import { STRATEGIES, type Strategy } from '../heads/mask';
import type { RankingOptions } from '../heads/ranking';
import { type Tune, tuneOf } from '../heads/tune';
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
 * Methods by name: strategies, other readings of `hifi`, baselines that tune the model,
 * `setfit` and `logistic`.
 */
export const METHODS = [
  ...STRATEGIES,
  ...(Object.keys(READINGS) as (keyof typeof READINGS)[]),
  ...(Object.keys(BASELINES) as (keyof typeof BASELINES)[]),
  SETFIT,
  LOGISTIC,
] as const;

/** Method that chooses heads or neurons. */
type Choosing = Exclude<Strategy, 'none'> | keyof typeof READINGS;

/**
 * Method of a comparison, by name. `random:vo` tunes other parts of the chosen heads than the
 * comparison's `--tune` says.
 */
export type Method = (typeof METHODS)[number] | `${Choosing}:${Tune}`;

/** Methods that choose nothing. */
const FIXED: ReadonlySet<string> = new Set(['none', ...Object.keys(BASELINES), SETFIT, LOGISTIC]);

/** Method that tunes the model, with a learning rate. */
export type TunedMethod = Exclude<Method, typeof LOGISTIC>;

/**
 * Reads a method.
 *
 * @returns the method, its letters in order; undefined for any other text
 */
export function methodOf(text: string): Method | undefined {
  const [name, letters, ...more] = text.split(':');
  if (!METHODS.includes(name as (typeof METHODS)[number]) || more.length > 0) return undefined;
  if (letters === undefined) return name as Method;
  const tune = tuneOf(letters);
  return tune === undefined || FIXED.has(name) ? undefined : `${name as Choosing}:${tune}`;
}

/** True for methods that need rows of one class each. */
export const needsClasses = (method: Method): boolean => [LOGISTIC, SETFIT, 'contrast'].includes(partsOf(method).name);

/** Method whose training is that of a mask, with a task head. */
export type MaskedMethod = Exclude<TunedMethod, typeof SETFIT>;

/** True for a method whose training is that of a mask. */
export const isMasked = (method: Method): method is MaskedMethod => method !== LOGISTIC && method !== SETFIT;

/** Strategy of a method, and options of the selection that differ from the defaults. */
export function selectionOf(method: MaskedMethod): { strategy: Strategy } & Partial<RankingOptions & { tune: Tune }> {
  const { name, tune } = partsOf(method);
  const parts = tune && { tune };
  if (name in READINGS) return { strategy: 'hifi', ...READINGS[name as keyof typeof READINGS], ...parts };
  const { further: _, ...selection } = baselineOf(name) ?? { strategy: name as Strategy };
  return { ...selection, ...parts };
}

/** What methods choose. */
export function unitsOf(methods: readonly Method[], tune: Tune): Set<'heads' | 'neurons'> {
  const choosing = methods.filter((method): method is MaskedMethod => !FIXED.has(method));
  return new Set(choosing.map((method) => ((selectionOf(method).tune ?? tune) === 'neurons' ? 'neurons' : 'heads')));
}

/** What a method tunes beside the chosen heads; undefined for nothing. */
export const furtherOf = (method: MaskedMethod, config: ModelConfig): FurtherTuning | undefined =>
  baselineOf(method)?.further(config);

/** Name of a method's files. */
export const fileNameOf = (method: Method) => method.replace(':', '.');

const partsOf = (method: Method) => {
  const [name, tune] = method.split(':');
  return { name, tune: tune as Tune | undefined };
};

const baselineOf = (name: string): Baseline | undefined => BASELINES[name as keyof typeof BASELINES];
