import type { Architecture } from '../architecture';
import { BERT_CONFIG, BERT_EMBEDDINGS, BERT_LAYER, postNormEncoder } from './bert';

/** ELECTRA (Clark et al. 2020): embeddings may have a width of their own; no pooler. */
export const electra: Architecture = {
  modelType: 'electra',
  classPrefix: 'Electra',
  prefixes: ['', 'electra.'],
  config: { ...BERT_CONFIG, embeddingSize: 'embedding_size' },
  defaults: { embeddingSize: 128 },
  positions: 'fromZero',
  ...postNormEncoder({
    embeddings: { ...BERT_EMBEDDINGS, projection: 'embeddings_project' },
    layerPrefix: 'encoder.layer.',
    layer: BERT_LAYER,
    dropsAttentionOutput: true,
    taskHead: {
      dense: 'classifier.dense',
      classifier: 'classifier.out_proj',
      activation: 'gelu',
      dropsInput: true,
    },
  }),
};
