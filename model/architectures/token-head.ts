import type { ModelConfig, TaskHead } from '../architecture';

/**
 * Hugging Face's usual task head for token classification: dropout and one linear layer over every
 * token.
 *
 * @param output module that gives the logits
 * @param rate rate of the dropout
 */
export const tokenHead = (output: string, rate: (config: ModelConfig) => number): TaskHead => ({
  reads: 'every',
  own: [output],
  output,
  tensors: ({ hiddenSize: d }, outputs) => [
    { name: `${output}.weight`, shape: [outputs, d] },
    { name: `${output}.bias`, shape: [outputs] },
  ],
  logits: (net, config, x) => net.linear(net.dropout(x, rate(config), config.layers, 'pooled'), output), // [C]
});
