import { BASELINES } from '../../compare/baselines';
import { type FurtherTuning, type Tuning, tuningOf } from '../../delta/tuning';
import type { Mask } from '../../heads/mask';
import type { ModelConfig } from '../../model/architecture';

/** Keys of a case of training-golden that say what it tunes. */
export interface GoldenCase {
  heads: number[][];
  neurons?: number[][];
  tune: Mask['tune'];
  method?: keyof typeof BASELINES;
}

/** What a case of training-golden tunes beside its heads. */
export const furtherOf = (config: ModelConfig, { method }: GoldenCase): FurtherTuning | undefined =>
  method && BASELINES[method].further(config);

/** Tuning of a case of training-golden. */
export function tuningOfCase(config: ModelConfig, golden: GoldenCase): Tuning {
  const heads = golden.heads.flatMap((layer, i) => layer.map((head) => ({ layer: i, head, score: 1 })));
  const neurons = golden.neurons?.flatMap((of, layer) => of.map((index) => ({ layer, index, score: 1 })));
  return tuningOf(config, { heads, neurons, tune: golden.tune }, furtherOf(config, golden));
}
