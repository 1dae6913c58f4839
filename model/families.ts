/**
 * One row a model family: where each part of an encoder lies in a checkpoint and what config.json calls its sizes. A new
 * family is a new row; no other file knows a family's names.
 */

/** A module of one encoder layer, by what it does. */
export type LayerRole =
  | 'query'
  | 'key'
  | 'value'
  | 'attentionOutput'
  | 'attentionNorm'
  | 'intermediate'
  | 'output'
  | 'outputNorm';

/** A module outside the layers. Those with a question mark are missing in some families. */
export interface BaseModules {
  wordEmbeddings: string;
  positionEmbeddings: string;
  tokenTypeEmbeddings?: string;
  embeddingsNorm: string;
  /** From the embeddings' own size to the hidden size; there where the two differ. */
  embeddingsProjection?: string;
  pooler?: string;
}

/** Hugging Face's task head for sequence classification, which reads position 0: dense, activation, dropout, classifier. */
export interface TaskHeadModules {
  /** [d, d]; of the base where it is its pooler, else stored without a prefix. */
  dense: string;
  /** [C, d]. */
  classifier: string;
  activation: 'tanh' | 'relu' | 'gelu';
  /** Whether dropout comes before the dense layer too. */
  dropsInput: boolean;
}

/** A size or rate that config.json tells; read by `readModelConfig`. */
export type ConfigField =
  | 'layers'
  | 'heads'
  | 'hiddenSize'
  | 'embeddingSize'
  | 'intermediateSize'
  | 'vocabSize'
  | 'positionRows'
  | 'typeVocabSize'
  | 'activation'
  | 'layerNormEps'
  | 'hiddenDropout'
  | 'attentionDropout'
  | 'classifierDropout'
  | 'initializerRange'
  | 'padTokenId';

export interface Family {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /** Start of the class names in config.json's `architectures`, used where `model_type` is missing. */
  readonly classPrefix: string;
  /** What a stored base tensor's name may start with, before the canonical name. */
  readonly prefixes: readonly string[];
  readonly modules: BaseModules;
  /** Module that holds layer `i`, with `{i}` for the number. */
  readonly layer: string;
  /** Modules of one layer, below `layer`. */
  readonly roles: Readonly<Record<LayerRole, string>>;
  readonly taskHead: Readonly<TaskHeadModules>;
  /** Whether dropout follows the attention's output projection; the feed-forward layer's it always follows. */
  readonly dropsAttentionOutput: boolean;
  /** Row of the position table that a sequence's first token has: 0, or the one after the padding token's number. */
  readonly firstPosition: 'zero' | 'afterPadding';
  /** Endings of old files and what they are called today, tried where the new name is not stored. */
  readonly legacyEndings: ReadonlyArray<readonly [stored: string, canonical: string]>;
  /** What config.json calls each field; one that is not here has its default. */
  readonly config: Readonly<Partial<Record<ConfigField, string>>>;
  /** What stands where config.json says nothing, if it is not BERT's. */
  readonly defaults: Readonly<Partial<Record<ConfigField, number>>>;
}

/** BERT's names of a layer's modules, which its descendants share. */
const BERT_ROLES = {
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  attentionOutput: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  intermediate: 'intermediate.dense',
  output: 'output.dense',
  outputNorm: 'output.LayerNorm',
} as const;

const BERT_EMBEDDINGS = {
  wordEmbeddings: 'embeddings.word_embeddings',
  positionEmbeddings: 'embeddings.position_embeddings',
  tokenTypeEmbeddings: 'embeddings.token_type_embeddings',
  embeddingsNorm: 'embeddings.LayerNorm',
} as const;

const BERT_CONFIG = {
  layers: 'num_hidden_layers',
  heads: 'num_attention_heads',
  hiddenSize: 'hidden_size',
  intermediateSize: 'intermediate_size',
  vocabSize: 'vocab_size',
  positionRows: 'max_position_embeddings',
  typeVocabSize: 'type_vocab_size',
  activation: 'hidden_act',
  layerNormEps: 'layer_norm_eps',
  hiddenDropout: 'hidden_dropout_prob',
  attentionDropout: 'attention_probs_dropout_prob',
  classifierDropout: 'classifier_dropout',
  initializerRange: 'initializer_range',
  padTokenId: 'pad_token_id',
} as const;

const LEGACY_NORM = [
  ['LayerNorm.gamma', 'LayerNorm.weight'],
  ['LayerNorm.beta', 'LayerNorm.bias'],
] as const;

const ROBERTA = {
  prefixes: ['', 'roberta.'],
  modules: { ...BERT_EMBEDDINGS, pooler: 'pooler.dense' },
  layer: 'encoder.layer.{i}',
  roles: BERT_ROLES,
  taskHead: {
    dense: 'classifier.dense',
    classifier: 'classifier.out_proj',
    activation: 'tanh',
    dropsInput: true,
  },
  dropsAttentionOutput: true,
  firstPosition: 'afterPadding',
  legacyEndings: LEGACY_NORM,
  config: BERT_CONFIG,
  defaults: { padTokenId: 1 },
} as const;

export const FAMILIES = {
  bert: {
    modelType: 'bert',
    classPrefix: 'Bert',
    prefixes: ['', 'bert.'],
    modules: { ...BERT_EMBEDDINGS, pooler: 'pooler.dense' },
    layer: 'encoder.layer.{i}',
    roles: BERT_ROLES,
    taskHead: { dense: 'pooler.dense', classifier: 'classifier', activation: 'tanh', dropsInput: false },
    dropsAttentionOutput: true,
    firstPosition: 'zero',
    legacyEndings: LEGACY_NORM,
    config: BERT_CONFIG,
    defaults: {},
  },
  roberta: { modelType: 'roberta', classPrefix: 'Roberta', ...ROBERTA },
  'xlm-roberta': { modelType: 'xlm-roberta', classPrefix: 'XLMRoberta', ...ROBERTA },
  distilbert: {
    modelType: 'distilbert',
    classPrefix: 'DistilBert',
    prefixes: ['', 'distilbert.'],
    modules: {
      wordEmbeddings: 'embeddings.word_embeddings',
      positionEmbeddings: 'embeddings.position_embeddings',
      embeddingsNorm: 'embeddings.LayerNorm',
    },
    layer: 'transformer.layer.{i}',
    roles: {
      query: 'attention.q_lin',
      key: 'attention.k_lin',
      value: 'attention.v_lin',
      attentionOutput: 'attention.out_lin',
      attentionNorm: 'sa_layer_norm',
      intermediate: 'ffn.lin1',
      output: 'ffn.lin2',
      outputNorm: 'output_layer_norm',
    },
    taskHead: { dense: 'pre_classifier', classifier: 'classifier', activation: 'relu', dropsInput: false },
    dropsAttentionOutput: false,
    firstPosition: 'zero',
    legacyEndings: LEGACY_NORM,
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
  },
  electra: {
    modelType: 'electra',
    classPrefix: 'Electra',
    prefixes: ['', 'electra.'],
    modules: { ...BERT_EMBEDDINGS, embeddingsProjection: 'embeddings_project' },
    layer: 'encoder.layer.{i}',
    roles: BERT_ROLES,
    taskHead: {
      dense: 'classifier.dense',
      classifier: 'classifier.out_proj',
      activation: 'gelu',
      dropsInput: true,
    },
    dropsAttentionOutput: true,
    firstPosition: 'zero',
    legacyEndings: LEGACY_NORM,
    config: { ...BERT_CONFIG, embeddingSize: 'embedding_size' },
    defaults: { embeddingSize: 128 },
  },
} as const satisfies Record<string, Family>;

/** Key of a row of `FAMILIES`, and the `architecture` that heads.json and delta.json name. */
export type FamilyName = keyof typeof FAMILIES;

/** Canonical name of the module that plays `role` in layer `layer` (from 0), without `.weight` or `.bias`. */
export function layerModule(family: Family, layer: number, role: LayerRole): string {
  return `${family.layer.replace('{i}', String(layer))}.${family.roles[role]}`;
}
