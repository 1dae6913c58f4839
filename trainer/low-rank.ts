import { randomStream } from '../data/random';
import { countNumbers } from '../delta/slices';
import { factorsOf, type LowRankProduct, type Tuning } from '../delta/tuning';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';

/**
 * Matrices A and B of a product before the first step, as PEFT initialises them: A uniform in
 * ±1/√in (Kaiming's rule with a = √5), B zero.
 */
export function initialFactors(config: ModelConfig, product: LowRankProduct, seed: number) {
  const { a, b } = factorsOf(config, product);
  const [, into] = a.shape;
  const drawn = () => {
    const random = randomStream(seed, `initial/${a.name}`);
    return Float32Array.from({ length: countNumbers([a]) }, () => (2 * random.uniform() - 1) / Math.sqrt(into));
  };
  return [
    { ...a, initial: drawn },
    { ...b, initial: () => new Float32Array(countNumbers([b])) },
  ];
}

/**
 * Values of what a training changed, in the form of a delta: those of the trained tensors, and
 * whole matrices of the base with the products that were added to them.
 *
 * @param trained trained tensors by name
 * @returns values by canonical name
 */
export function trainedValues(
  checkpoint: Checkpoint,
  { products = [] }: Tuning,
  trained: ReadonlyMap<string, { values: Float32Array }>,
): (canonical: string) => Float32Array {
  const values = (name: string) => trained.get(name)!.values;
  const productOf = new Map(products.map((product) => [`${product.module}.weight`, product]));
  return (canonical) => {
    const product = productOf.get(canonical);
    if (!product) return values(canonical);
    const { a, b } = factorsOf(checkpoint.config, product);
    return withProduct(checkpoint.tensor(canonical), product, values(a.name), values(b.name));
  };
}

/** Adds scale·B·A to a matrix, in float64. // [out, in] */
function withProduct(weight: Float32Array, { rank, scale }: LowRankProduct, a: Float32Array, b: Float32Array) {
  const into = a.length / rank;
  return weight.map((value, at) => {
    const column = at % into;
    const row = (at - column) / into;
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[row * rank + r] * a[r * into + column];
    return value + scale * sum;
  });
}
