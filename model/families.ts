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

/** A module outside the layers. `tokenTypeEmbeddings` and `pooler` are missing in some families. */
export interface BaseModules {
  wordEmbeddings: string;
  positionEmbeddings: string;
  tokenTypeEmbeddings?: string;
  embeddingsNorm: string;
  pooler?: string;
}

/** What config.json calls a size or rate; read by `readModelConfig`. */
export interface ConfigFields {
  layers: string;
  heads: string;
  hiddenSize: string;
  intermediateSize: string;
  vocabSize: string;
  maxPositions: string;
  typeVocabSize: string;
  activation: string;
  layerNormEps: string;
  hiddenDropout: string;
  attentionDropout: string;
  classifierDropout: string;
  initializerRange: string;
  padTokenId: string;
}

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
  /** Modules of the sequence-classification head besides the pooler; stored without a prefix. */
  readonly taskHead: readonly string[];
  /** Endings of old files and what they are called today, tried where the new name is not stored. */
  readonly legacyEndings: ReadonlyArray<readonly [stored: string, canonical: string]>;
  readonly config: Readonly<ConfigFields>;
}

export const FAMILIES = {
  bert: {
    modelType: 'bert',
    classPrefix: 'Bert',
    prefixes: ['', 'bert.'],
    modules: {
      wordEmbeddings: 'embeddings.word_embeddings',
      positionEmbeddings: 'embeddings.position_embeddings',
      tokenTypeEmbeddings: 'embeddings.token_type_embeddings',
      embeddingsNorm: 'embeddings.LayerNorm',
      pooler: 'pooler.dense',
    },
    layer: 'encoder.layer.{i}',
    roles: {
      query: 'attention.self.query',
      key: 'attention.self.key',
      value: 'attention.self.value',
      attentionOutput: 'attention.output.dense',
      attentionNorm: 'attention.output.LayerNorm',
      intermediate: 'intermediate.dense',
      output: 'output.dense',
      outputNorm: 'output.LayerNorm',
    },
    taskHead: ['classifier'],
    legacyEndings: [
      ['LayerNorm.gamma', 'LayerNorm.weight'],
      ['LayerNorm.beta', 'LayerNorm.bias'],
    ],
    config: {
      layers: 'num_hidden_layers',
      heads: 'num_attention_heads',
      hiddenSize: 'hidden_size',
      intermediateSize: 'intermediate_size',
      vocabSize: 'vocab_size',
      maxPositions: 'max_position_embeddings',
      typeVocabSize: 'type_vocab_size',
      activation: 'hidden_act',
      layerNormEps: 'layer_norm_eps',
      hiddenDropout: 'hidden_dropout_prob',
      attentionDropout: 'attention_probs_dropout_prob',
      classifierDropout: 'classifier_dropout',
      initializerRange: 'initializer_range',
      padTokenId: 'pad_token_id',
    },
  },
} as const satisfies Record<string, Family>;

/** Key of a row of `FAMILIES`, and the `architecture` that heads.json and delta.json name. */
export type FamilyName = keyof typeof FAMILIES;

/** Canonical name of the module that plays `role` in layer `layer` (from 0), without `.weight` or `.bias`. */
export function layerModule(family: Family, layer: number, role: LayerRole): string {
  return `${family.layer.replace('{i}', String(layer))}.${family.roles[role]}`;
}

/** The sizes that decide the shapes of a base model's tensors. */
export interface BaseSizes {
  layers: number;
  hiddenSize: number;
  intermediateSize: number;
  vocabSize: number;
  maxPositions: number;
  typeVocabSize: number;
}

/** One tensor that a base model consists of. */
export interface BaseTensor {
  /** Canonical name, such as `encoder.layer.0.attention.self.query.weight`. */
  name: string;
  shape: number[];
  /** True for the pooler, which a file may lack. */
  optional: boolean;
}

/** Every tensor of the base model with its shape, embeddings first, then the layers in order, then the pooler. */
export function baseTensors(family: Family, sizes: BaseSizes): BaseTensor[] {
  const { layers, hiddenSize: d, intermediateSize, vocabSize, maxPositions, typeVocabSize } = sizes;
  const { modules } = family;
  const tensors: BaseTensor[] = [];
  const table = (module: string, rows: number) =>
    tensors.push({ name: `${module}.weight`, shape: [rows, d], optional: false });
  const norm = (module: string) =>
    tensors.push(
      { name: `${module}.weight`, shape: [d], optional: false },
      { name: `${module}.bias`, shape: [d], optional: false },
    );
  const dense = (module: string, out: number, into: number, optional = false) =>
    tensors.push(
      { name: `${module}.weight`, shape: [out, into], optional },
      { name: `${module}.bias`, shape: [out], optional },
    );

  table(modules.wordEmbeddings, vocabSize);
  table(modules.positionEmbeddings, maxPositions);
  if (modules.tokenTypeEmbeddings) table(modules.tokenTypeEmbeddings, typeVocabSize);
  norm(modules.embeddingsNorm);
  for (let layer = 0; layer < layers; layer++) {
    const at = (role: LayerRole) => layerModule(family, layer, role);
    dense(at('query'), d, d);
    dense(at('key'), d, d);
    dense(at('value'), d, d);
    dense(at('attentionOutput'), d, d);
    norm(at('attentionNorm'));
    dense(at('intermediate'), intermediateSize, d);
    dense(at('output'), d, intermediateSize);
    norm(at('outputNorm'));
  }
  if (modules.pooler) dense(modules.pooler, d, d, true);
  return tensors;
}
