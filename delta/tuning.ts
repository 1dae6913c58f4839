import type { TensorPart } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { ModelConfig } from '../model/config';
import { countNumbers, type Slice, type TunedUnits, tunedSlices } from './slices';

/**
 * Product B·A of two trained matrices, added to a frozen matrix of the base (LoRA: Hu et al. 2022).
 */
export interface LowRankProduct {
  /** Module of the matrix, [out, in]. */
  module: string;
  /** Rank r: A is [r, in], B is [out, r]. */
  rank: number;
  /** Factor of the product: LoRA's alpha / r. */
  scale: number;
}

/** Tuning beside the chosen heads. Only methods of a comparison have any. */
export interface FurtherTuning {
  /** Parts of the base that are trained. */
  parts?: readonly TensorPart[];
  /** Products that are added to matrices of the base. */
  products?: readonly LowRankProduct[];
}

/** Trained parameters of a base: values that replace its own, and products that add to them. */
export interface Tuning {
  slices: readonly Slice[];
  products?: readonly LowRankProduct[];
}

/**
 * Tuning of a mask's heads and of what else is tuned.
 *
 * @throws INVALID_INPUT as {@link tunedSlices}
 */
export const tuningOf = (config: ModelConfig, mask: TunedUnits, { parts, products }: FurtherTuning = {}): Tuning => ({
  slices: tunedSlices(config, mask, parts),
  products,
});

/** Matrices A and B of a product, named as in PEFT. */
export function factorsOf(config: ModelConfig, { module, rank }: LowRankProduct) {
  const [out, into] = shapeOf(config, weightOf(module));
  return {
    a: { name: weightOf(`${module}.lora_A`), shape: [rank, into] },
    b: { name: weightOf(`${module}.lora_B`), shape: [out, rank] },
  };
}

/** Number of trained parameters. */
export const countTuned = (config: ModelConfig, { slices, products = [] }: Tuning): number =>
  countNumbers([...slices, ...products.flatMap((product) => Object.values(factorsOf(config, product)))]);

/** Parts of the base that differ once the products are added to it. */
export const changedParts = (config: ModelConfig, { parts = [], products = [] }: FurtherTuning): TensorPart[] => [
  ...parts,
  ...products.map(({ module }) => wholeTensor(config, weightOf(module))),
];

/** All rows of a tensor. */
const wholeTensor = (config: ModelConfig, tensor: string): TensorPart => ({
  tensor,
  axis: 'rows',
  ranges: [[0, shapeOf(config, tensor)[0]]],
});

const weightOf = (module: string) => `${module}.weight`;

const shapeOf = (config: ModelConfig, tensor: string) =>
  architectureOf(config)
    .tensors(config)
    .find(({ name }) => name === tensor)!.shape;
