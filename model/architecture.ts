import type { HeadRole } from '../heads/tune';
import type { Activation, Operations, QueryTokens } from './operations';

export type { HeadRole };

/** Fields of config.json, checked. */
export interface ModelConfig {
  /** `model_type`; named in heads.json and delta.json. */
  architecture: string;
  /** L. */
  layers: number;
  /** H, per layer. */
  heads: number;
  /** Heads of keys and values per layer; a divisor of H, whose neighbours share one. */
  keyValueHeads: number;
  /** dh; d / H in most models. */
  headDim: number;
  /** d. */
  hiddenSize: number;
  /** Width of the embedding tables; differs from the hidden size in some ELECTRA models. */
  embeddingSize: number;
  intermediateSize: number;
  vocabSize: number;
  /** Rows of the position table. */
  positionRows: number;
  /** Row of the position table for a sequence's first token. */
  firstPosition: number;
  /** Longest sequence in tokens. */
  maxPositions: number;
  /** 0 if the model has no segments. */
  typeVocabSize: number;
  activation: Activation;
  layerNormEps: number;
  /** Rates in [0, 1). */
  hiddenDropout: number;
  attentionDropout: number;
  /** Rate of the task head. */
  classifierDropout: number;
  /** Standard deviation of new weights. */
  initializerRange: number;
  padTokenId: number;
  /** True if a token sees only those before it. */
  causal?: boolean;
  /** config.json as it is. */
  raw: Record<string, unknown>;
}

/** Field of {@link ModelConfig} that config.json has under a name of its own. */
export type ConfigField =
  | 'layers'
  | 'heads'
  | 'keyValueHeads'
  | 'headDim'
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

/** Sizes and fields that determine the shapes of a base model's tensors. */
export type BaseSizes = Pick<
  ModelConfig,
  | 'layers'
  | 'heads'
  | 'keyValueHeads'
  | 'headDim'
  | 'hiddenSize'
  | 'embeddingSize'
  | 'intermediateSize'
  | 'vocabSize'
  | 'positionRows'
  | 'typeVocabSize'
  | 'raw'
>;

/** Tensor of a model. */
export interface ModelTensor {
  /** Canonical name, such as `encoder.layer.0.attention.self.query.weight`. */
  name: string;
  shape: number[];
  /** True for the pooler, which a file may lack. */
  optional?: boolean;
}

/** Part of a tensor: rows (output features) or columns (input features). */
export interface TensorPart {
  /** Canonical name of the tensor. */
  tensor: string;
  /** Axis of which it has some indices. */
  axis: 'rows' | 'columns';
  /** Half-open ranges of indices along the axis, ascending. */
  ranges: readonly (readonly [from: number, to: number])[];
}

/** Part of a tensor that a head owns. */
export interface HeadSlice extends TensorPart {
  role: HeadRole;
  /** True if the loss does not depend on it: softmax ignores a key's bias. */
  inert?: boolean;
}

/** Field of config.json, its value, and what it must be. */
export type ConfigFault = readonly [field: string, value: unknown, right: string];

/** Rule by which a token's row of the position table is found; see `positionIds`. */
export type PositionRule = 'fromZero' | 'afterPadding';

/**
 * Tokens that a task head reads. In the model's last layer `first` and `last` have queries for that
 * token alone; `mean` is taken over the last layer's output.
 */
export type Readout = 'first' | 'last' | 'mean' | 'every';

/** Rows that a task head gives logits for: sequences, or each of their tokens. */
export type TaskHeadKind = 'sequence' | 'token';

export const TASK_HEAD_KINDS: readonly TaskHeadKind[] = ['sequence', 'token'];

/** Task head of a Hugging Face class. */
export interface TaskHead {
  readonly reads: Readout;
  /** Modules of the task head itself, stored without a prefix; a pooler belongs to the base. */
  readonly own: readonly string[];
  /** Module that gives the logits. */
  readonly output: string;
  /**
   * Every tensor, all of them trained.
   *
   * @param outputs C, logits per row
   */
  tensors(config: ModelConfig, outputs: number): ModelTensor[];
  /** Logits, from the tokens that the task head reads. // tokens [d] → tokens [C] */
  logits<V>(net: Operations<V>, config: ModelConfig, x: V): V;
}

/**
 * Architecture of a transformer: its names in a checkpoint, its fields in config.json, what a head
 * and a neuron own, and its forward pass. Everything else in this package is written for any
 * architecture.
 */
export interface Architecture {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /** Start of the class names in config.json's `architectures`, used if `model_type` is missing. */
  readonly classPrefix: string;
  /**
   * Class of the tokenizer that transformers chooses for a folder that names none, such as
   * `TokenizersBackend`. Default: `classPrefix` and `Tokenizer`.
   */
  readonly tokenizerClass?: string;
  /** Possible prefixes of a stored base tensor's name before its canonical name. */
  readonly prefixes: readonly string[];
  /** Endings of old files and their names today, tried if the new name is not stored. */
  readonly legacyEndings: ReadonlyArray<readonly [stored: string, canonical: string]>;
  /** Name of a field in config.json; a field that is not here has its default. */
  readonly config: Readonly<Partial<Record<ConfigField, string>>>;
  /** Values of fields that config.json leaves out, if they differ from BERT's. */
  readonly defaults: Readonly<Partial<Record<ConfigField, number | string>>>;
  /**
   * True if config.json may leave out the padding token: it is the tokenizer's then, else the token
   * that ends a text.
   */
  readonly padsAsTokenizer?: boolean;
  /** True if a token sees only those before it. */
  readonly causal?: boolean;
  /** First field of config.json that the forward pass does not support. */
  fault?(config: ModelConfig): ConfigFault | undefined;
  readonly positions: PositionRule;
  /** Whether tokens have segments. */
  readonly segments: boolean;
  /** Module of the word embeddings: every checkpoint has it. */
  readonly wordEmbeddings: string;
  /** Start of the name of a layer's modules, up to the layer's number. */
  readonly layerPrefix: string;
  /** Every tensor of the base model: embeddings, layers in order, pooler. */
  tensors(sizes: BaseSizes): ModelTensor[];
  /** Parts of a layer's tensors that a head owns: all that depend on which head it is. */
  headSlices(config: ModelConfig, layer: number, head: number): HeadSlice[];
  /**
   * Parts of a layer's tensors that a neuron of its feed-forward owns: rows of all that its
   * activation depends on, columns of the matrix that reads it. `intermediateSize` is their number.
   * The activation is applied to the first rows' product, and multiplied by those of further ones.
   */
  neuronSlices(config: ModelConfig, layer: number, neuron: number): TensorPart[];
  taskHead(config: ModelConfig, kind: TaskHeadKind): TaskHead;
  /** Embeddings of all tokens. // → tokens [d] */
  embed<V>(net: Operations<V>, config: ModelConfig): V;
  /**
   * Output of a layer's heads, before they are joined. // → heads
   *
   * @param x the layer's input // tokens [d]
   * @param asking the tokens that have queries: `x`, or some of its tokens
   * @param tokens which these are
   */
  attend<V>(net: Operations<V>, config: ModelConfig, layer: number, x: V, asking: V, tokens: QueryTokens): V;
  /** Rest of a layer, from the output of its heads on. // tokens [d] */
  afterHeads<V>(net: Operations<V>, config: ModelConfig, layer: number, asking: V, heads: V): V;
}
