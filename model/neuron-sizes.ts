import type { NeuronSizes } from '../heads/head-report';
import type { ModelConfig } from './architecture';
import { architectureOf } from './architectures';
import { numbersIn } from './head-parameters';

/** Neurons of a model's feed-forward layers, and numbers that tuning one of them trains. */
export const neuronSizes = (config: ModelConfig): NeuronSizes => ({
  perLayer: config.intermediateSize,
  parameters: numbersIn(config, architectureOf(config).neuronSlices(config, 0, 0)),
});
