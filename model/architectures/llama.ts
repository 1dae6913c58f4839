import { decoder } from './decoder';

/** Llama (Touvron et al. 2023; Grattafiori et al. 2024): config.json names what has biases. */
export const llama = decoder({
  modelType: 'llama',
  classPrefix: 'Llama',
  tokenizerClass: 'TokenizersBackend',
  defaults: { positionRows: 2048 },
  biased: ({ attention_bias: attention, mlp_bias: feedForward }) => [
    ...(attention ? (['q', 'k', 'v', 'o'] as const) : []),
    ...(feedForward ? (['gate', 'up', 'down'] as const) : []),
  ],
  normalizesHeads: false,
  hasWindows: false,
});
