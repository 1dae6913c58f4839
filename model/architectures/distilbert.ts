import type { Architecture } from '../architecture';
import { postNormEncoder } from './bert';

/** DistilBERT (Sanh et al. 2019): no segments, no pooler, no dropout after the attention. */
export const distilbert: Architecture = {
  modelType: 'distilbert',
  classPrefix: 'DistilBert',
  prefixes: ['', 'distilbert.'],
  config: {
    layers: 'n_layers',
    heads: 'n_heads',
    hiddenSize: 'dim',
    intermediateSize: 'hidden_dim',
    vocabSize: 'vocab_size',
    positionRows: 'max_position_embeddings',
    activation: 'activation',
    hiddenDropout: 'dropout',
    attentionDropout: 'attention_dropout',
    classifierDropout: 'seq_classif_dropout',
    initializerRange: 'initializer_range',
    padTokenId: 'pad_token_id',
  },
  defaults: { typeVocabSize: 0, classifierDropout: 0.2 },
  positions: 'fromZero',
  ...postNormEncoder({
    embeddings: {
      words: 'embeddings.word_embeddings',
      positions: 'embeddings.position_embeddings',
      norm: 'embeddings.LayerNorm',
    },
    layerPrefix: 'transformer.layer.',
    layer: {
      query: 'attention.q_lin',
      key: 'attention.k_lin',
      value: 'attention.v_lin',
      attentionOutput: 'attention.out_lin',
      attentionNorm: 'sa_layer_norm',
      intermediate: 'ffn.lin1',
      output: 'ffn.lin2',
      outputNorm: 'output_layer_norm',
    },
    dropsAttentionOutput: false,
    taskHead: { dense: 'pre_classifier', classifier: 'classifier', activation: 'relu', dropsInput: false },
    tokenDropout: 'hiddenDropout',
  }),
};
