import type { ModelConfig } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { LinearUse } from './network';
import type { Tensor } from './ops';

/**
 * Values of each layer's neurons, as the feed-forward's second matrix reads them.
 *
 * @param linears applications of modules in a pass through all layers
 * @returns a value per layer // [N, di] each
 */
export function neuronValues(config: ModelConfig, linears: readonly LinearUse[]): Tensor[] {
  const inputs = new Map(linears.map(({ module, input }) => [`${module}.weight`, input]));
  return Array.from({ length: config.layers }, (_, layer) => {
    const slices = architectureOf(config).neuronSlices(config, layer, 0);
    return inputs.get(slices.find(({ axis }) => axis === 'columns')!.tensor)!;
  });
}
