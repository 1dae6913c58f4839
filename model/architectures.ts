import type { Architecture, ModelConfig } from './architecture';
import { bert } from './architectures/bert';
import { debertaV2 } from './architectures/deberta';
import { distilbert } from './architectures/distilbert';
import { electra } from './architectures/electra';
import { mpnet } from './architectures/mpnet';
import { camembert, roberta, xlmRoberta } from './architectures/roberta';
import type { Operations } from './operations';

/** Known architectures by `model_type`. A new architecture is a file and a line here. */
export const ARCHITECTURES = new Map<string, Architecture>(
  [bert, roberta, xlmRoberta, camembert, distilbert, electra, mpnet, debertaV2].map((each) => [each.modelType, each]),
);

/** Architecture of a model whose config.json was read. */
export const architectureOf = ({ architecture }: Pick<ModelConfig, 'architecture'>): Architecture =>
  ARCHITECTURES.get(architecture)!;

/** Returns true for a name of the task head's own weights, which are stored without a prefix. */
export const ofTaskHead = ({ taskHead }: Architecture, canonical: string): boolean =>
  taskHead.own.some((module) => canonical.startsWith(`${module}.`));

/**
 * Layers `from` to `to` (exclusive). The model's last layer has queries for the first token alone,
 * which is all that a task head reads. // tokens [d] → tokens [d]
 */
export function runLayers<V>(net: Operations<V>, config: ModelConfig, x: V, from: number, to: number): V {
  let output = x;
  for (let layer = from; layer < to; layer++) {
    const asking = layer === config.layers - 1 ? net.firstToken(output) : output;
    output = runLayer(net, config, layer, output, asking);
  }
  return output;
}

/** One layer. // tokens [d] → tokens [d] */
export function runLayer<V>(net: Operations<V>, config: ModelConfig, layer: number, x: V, asking = x): V {
  const architecture = architectureOf(config);
  const heads = architecture.attend(net, config, layer, x, asking);
  return architecture.afterHeads(net, config, layer, asking, heads);
}
