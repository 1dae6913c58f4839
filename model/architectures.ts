import { type Architecture, type ModelConfig, type Readout, TASK_HEAD_KINDS } from './architecture';
import { bert } from './architectures/bert';
import { debertaV2 } from './architectures/deberta';
import { distilbert } from './architectures/distilbert';
import { electra } from './architectures/electra';
import { llama } from './architectures/llama';
import { modernbert } from './architectures/modernbert';
import { mpnet } from './architectures/mpnet';
import { qwen2, qwen3 } from './architectures/qwen';
import { camembert, roberta, xlmRoberta } from './architectures/roberta';
import type { Operations, QueryTokens } from './operations';

/** Known architectures by `model_type`. A new architecture is a file and a line here. */
export const ARCHITECTURES = new Map<string, Architecture>(
  [
    ...[bert, roberta, xlmRoberta, camembert, distilbert, electra, mpnet, modernbert, debertaV2],
    ...[llama, qwen2, qwen3],
  ].map((each) => [each.modelType, each]),
);

/** Architecture of a model whose config.json was read. */
export const architectureOf = ({ architecture }: Pick<ModelConfig, 'architecture'>): Architecture =>
  ARCHITECTURES.get(architecture)!;

/** Returns true for a name of a task head's own weights, which are stored without a prefix. */
export const ofTaskHead = (config: ModelConfig, canonical: string): boolean =>
  TASK_HEAD_KINDS.some((kind) =>
    architectureOf(config)
      .taskHead(config, kind)
      .own.some((module) => canonical.startsWith(`${module}.`)),
  );

/**
 * Layers `from` to `to` (exclusive). After the model's last layer only what a task head reads is
 * left. // tokens [d] → tokens [d]
 */
export function runLayers<V>(
  net: Operations<V>,
  config: ModelConfig,
  reads: Readout,
  x: V,
  from: number,
  to: number,
): V {
  let output = x;
  for (let layer = from; layer < to; layer++) {
    output = runLayer(net, config, layer, output, queryTokens(config, layer, reads));
    if (layer === config.layers - 1 && reads === 'mean') output = net.meanToken(output);
  }
  return output;
}

/** Tokens that have queries in a layer: in the last one those that a task head reads. */
export function queryTokens({ layers }: ModelConfig, layer: number, reads: Readout): QueryTokens {
  const isOneToken = reads === 'first' || reads === 'last';
  return layer === layers - 1 && isOneToken ? reads : 'all';
}

/** One layer, for the tokens that are to have queries in it. // tokens [d] → tokens [d] */
export function runLayer<V>(
  net: Operations<V>,
  config: ModelConfig,
  layer: number,
  x: V,
  tokens: QueryTokens = 'all',
): V {
  const architecture = architectureOf(config);
  const asking = askingTokens(net, x, tokens);
  const heads = architecture.attend(net, config, layer, x, asking, tokens);
  return architecture.afterHeads(net, config, layer, asking, heads);
}

/** Picks the tokens that have queries. // tokens → tokens */
export const askingTokens = <V>(net: Operations<V>, x: V, tokens: QueryTokens): V =>
  tokens === 'all' ? x : tokens === 'first' ? net.firstToken(x) : net.lastToken(x);
