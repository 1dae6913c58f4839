import type { ModelConfig } from './architecture';
import { architectureOf, runLayers } from './architectures';
import type { Operations } from './operations';

/**
 * Modules whose matrix multiplies each token's row, in the order of the base's forward pass. Tables
 * of embeddings and the task head are not among them.
 */
export function linearModules(config: ModelConfig): string[] {
  const found = new Set<string>();
  const recorded = (operation: string | symbol) => (_: null, module: string) => {
    if (operation === 'linear') found.add(module);
    return null;
  };
  const together: Operations<null>['linearTogether'] = (_, modules) =>
    modules.map(({ module }) => recorded('linear')(null, module));
  /** Operations without values: only their names and modules count. */
  const net = new Proxy({} as Operations<null>, {
    get: (_, operation) => (operation === 'linearTogether' ? together : recorded(operation)),
  });
  const { embed, taskHead } = architectureOf(config);
  runLayers(net, config, taskHead(config, 'sequence').reads, embed(net, config), 0, config.layers);
  return [...found];
}
