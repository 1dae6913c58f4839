import type { Architecture } from '../architecture';
import { BERT_CONFIG, BERT_EMBEDDINGS, BERT_LAYER, postNormEncoder } from './bert';

const shared = {
  prefixes: ['', 'roberta.'],
  config: BERT_CONFIG,
  defaults: { padTokenId: 1 },
  positions: 'afterPadding' as const,
  ...postNormEncoder({
    embeddings: BERT_EMBEDDINGS,
    layerPrefix: 'encoder.layer.',
    layer: BERT_LAYER,
    pooler: 'pooler.dense',
    dropsAttentionOutput: true,
    taskHead: {
      dense: 'classifier.dense',
      classifier: 'classifier.out_proj',
      activation: 'tanh',
      dropsInput: true,
    },
  }),
};

/** RoBERTa (Liu et al. 2019): positions count from the padding token's number on. */
export const roberta: Architecture = { modelType: 'roberta', classPrefix: 'Roberta', ...shared };

/** CamemBERT (Martin et al. 2020): RoBERTa with another vocabulary. */
export const camembert: Architecture = { modelType: 'camembert', classPrefix: 'Camembert', ...shared };

/** XLM-R (Conneau et al. 2020): RoBERTa with another vocabulary. */
export const xlmRoberta: Architecture = { modelType: 'xlm-roberta', classPrefix: 'XLMRoberta', ...shared };
