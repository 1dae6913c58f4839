import { decoder } from './decoder';

/** Qwen2 and Qwen2.5 (Yang et al. 2024): queries, keys and values have biases. */
export const qwen2 = decoder({
  modelType: 'qwen2',
  classPrefix: 'Qwen2',
  defaults: { positionRows: 32768 },
  biased: () => ['q', 'k', 'v'],
  normalizesHeads: false,
  hasWindows: true,
});

/** Qwen3 (Yang et al. 2025): each head's queries and keys are normalized. */
export const qwen3 = decoder({
  modelType: 'qwen3',
  classPrefix: 'Qwen3',
  tokenizerClass: 'Qwen2Tokenizer',
  defaults: { positionRows: 32768, headDim: 128 },
  biased: ({ attention_bias: attention }) => (attention ? ['q', 'k', 'v', 'o'] : []),
  normalizesHeads: true,
  hasWindows: true,
});
