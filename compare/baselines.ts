import { besideHeads } from '../delta/slices';
import type { FurtherTuning } from '../delta/tuning';
import type { Tune } from '../heads/tune';
import type { ModelConfig, TensorPart } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import { linearModules } from '../model/linear-modules';
import type { Range } from '../model/operations';

/** Baseline that tunes the model: all heads or none, and further parameters. */
export interface Baseline {
  strategy: 'all' | 'none';
  /** Tuned matrices of all heads. Default: the comparison's own. */
  tune?: Tune;
  further: (config: ModelConfig) => FurtherTuning;
}

/** Rank and alpha of LoRA, as in PEFT's example of sequence classification. */
const LORA = { rank: 8, alpha: 16 };

/** Baselines, which choose no heads (docs/method.md). */
export const BASELINES = {
  /** Full fine-tuning: every parameter that has a gradient. */
  full: { strategy: 'all', tune: 'qkvo', further: (config) => ({ parts: besideHeads(config) }) },
  /** BitFit (Ben Zaken et al. 2022): every bias. */
  bitfit: { strategy: 'none', further: (config) => ({ parts: biases(config) }) },
  /** LoRA (Hu et al. 2022) on queries and values. */
  lora: { strategy: 'none', further: (config) => lora(queriesAndValues(config)) },
  /** LoRA on every linear layer of the base. */
  'lora-all-linear': { strategy: 'none', further: (config) => lora(linearModules(config)) },
} as const satisfies Record<string, Baseline>;

/** Products of LoRA on the matrices of some modules. */
export const lora = (modules: readonly string[], { rank, alpha } = LORA): FurtherTuning => ({
  products: modules.map((module) => ({ module, rank, scale: alpha / rank })),
});

/** Biases of the base, without those on which no loss depends, and without the pooler's. */
function biases(config: ModelConfig): TensorPart[] {
  const inert = slicesOfHeads(config).filter((slice) => slice.inert);
  return architectureOf(config)
    .tensors(config)
    .filter(({ name, optional }) => !optional && name.endsWith('.bias'))
    .map(({ name, shape }): TensorPart => {
      const left = inert.filter(({ tensor }) => tensor === name).flatMap(({ ranges }) => ranges);
      return { tensor: name, axis: 'rows', ranges: without(shape[0], left) };
    })
    .filter(({ ranges }) => ranges.length > 0);
}

/** Modules that hold rows of queries or values; one that also holds those of keys has them too. */
function queriesAndValues(config: ModelConfig): string[] {
  const slices = slicesOfHeads(config).filter(({ role }) => role === 'q' || role === 'v');
  const weights = slices.flatMap(({ tensor }) => /^(.*)\.weight$/.exec(tensor)?.[1] ?? []);
  return [...new Set(weights)];
}

function slicesOfHeads(config: ModelConfig) {
  const { headSlices } = architectureOf(config);
  return Array.from({ length: config.layers }, (_, layer) =>
    Array.from({ length: config.heads }, (_, head) => headSlices(config, layer, head)),
  ).flat(2);
}

/** Ranges of the indices below `size` that are in none of the given ranges. */
function without(size: number, ranges: readonly Range[]): Range[] {
  const left: Range[] = [];
  let next = 0;
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from > next) left.push([next, from]);
    next = Math.max(next, to);
  }
  return next < size ? [...left, [next, size]] : left;
}
