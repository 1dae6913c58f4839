import type {
  Architecture,
  HeadRole,
  HeadSlice,
  ModelConfig,
  ModelTensor,
  TaskHead,
  TaskHeadKind,
} from '../architecture';
import type { Activation, Operations, Range } from '../operations';
import { projections } from './projections';
import { tokenHead } from './token-head';

/**
 * Encoder with layer norms after the residuals (Vaswani et al. 2017; Devlin et al. 2019). BERT's
 * descendants differ in names, positions, task head and one dropout.
 */
export interface PostNormNames {
  embeddings: {
    words: string;
    positions: string;
    /** Absent without segments. */
    segments?: string;
    norm: string;
    /** From the embeddings' own size to the hidden size, if the two differ. */
    projection?: string;
  };
  /** Start of a layer's modules, before its number. */
  layerPrefix: string;
  /** Modules of a layer, after its number. */
  layer: Record<
    'query' | 'key' | 'value' | 'attentionOutput' | 'attentionNorm' | 'intermediate' | 'output' | 'outputNorm',
    string
  >;
  pooler?: string;
  relative?: RelativePositions;
  /** Whether dropout follows the attention's output projection. */
  dropsAttentionOutput: boolean;
  taskHead: {
    /** [d, d]; the base's own pooler, or a module of the task head. */
    dense: string;
    /** [C, d] */
    classifier: string;
    activation: Activation;
    /** Whether dropout precedes the dense layer. */
    dropsInput: boolean;
  };
  /** Rate of the token head's dropout. Default: `classifierDropout`. */
  tokenDropout?: 'classifierDropout' | 'hiddenDropout';
}

/** Dependence of the scores on the tokens' distance. */
export interface RelativePositions {
  /** Factor of the queries; default: 1/√dh. */
  factor?(config: ModelConfig): number;
  /** Whether the layer's own projections multiply distances too. */
  projects?: boolean;
  /** Adds to the scores what depends on the distance. // scores */
  add<V>(net: Operations<V>, config: ModelConfig, layer: number, values: Record<'scores' | 'query' | 'key', V>): V;
}

/** Modules of a layer, by BERT's names. */
export const BERT_LAYER = {
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  attentionOutput: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  intermediate: 'intermediate.dense',
  output: 'output.dense',
  outputNorm: 'output.LayerNorm',
};

export const BERT_EMBEDDINGS = {
  words: 'embeddings.word_embeddings',
  positions: 'embeddings.position_embeddings',
  segments: 'embeddings.token_type_embeddings',
  norm: 'embeddings.LayerNorm',
};

export const BERT_CONFIG = {
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
};

type Network = Pick<
  Architecture,
  | 'segments'
  | 'wordEmbeddings'
  | 'layerPrefix'
  | 'legacyEndings'
  | 'tensors'
  | 'headSlices'
  | 'neuronSlices'
  | 'taskHead'
  | 'embed'
  | 'attend'
  | 'afterHeads'
>;

/** Tensors and forward pass of such an encoder. */
export function postNormEncoder(names: PostNormNames): Network {
  const { embeddings, pooler, relative, dropsAttentionOutput, tokenDropout = 'classifierDropout' } = names;
  const taskHeads: Record<TaskHeadKind, TaskHead> = {
    sequence: denseTaskHead(names.taskHead, pooler),
    token: tokenHead('classifier', (config) => config[tokenDropout]),
  };
  const moduleOf = (layer: number, role: keyof PostNormNames['layer']) =>
    `${names.layerPrefix}${layer}.${names.layer[role]}`;
  return {
    segments: embeddings.segments !== undefined,
    wordEmbeddings: embeddings.words,
    layerPrefix: names.layerPrefix,
    legacyEndings: [
      ['LayerNorm.gamma', 'LayerNorm.weight'],
      ['LayerNorm.beta', 'LayerNorm.bias'],
    ],

    tensors({ layers, hiddenSize: d, embeddingSize, intermediateSize, vocabSize, positionRows, typeVocabSize }) {
      const { words, positions, segments, norm, projection } = embeddings;
      const table = (module: string, rows: number) => [{ name: `${module}.weight`, shape: [rows, embeddingSize] }];
      return [
        ...table(words, vocabSize),
        ...table(positions, positionRows),
        ...(segments ? table(segments, typeVocabSize) : []),
        ...pair(norm, [embeddingSize]),
        ...(projection && embeddingSize !== d ? pair(projection, [d, embeddingSize]) : []),
        ...Array.from({ length: layers }, (_, layer) => {
          const at = (role: keyof PostNormNames['layer'], shape: number[]) => pair(moduleOf(layer, role), shape);
          return [
            ...at('query', [d, d]),
            ...at('key', [d, d]),
            ...at('value', [d, d]),
            ...at('attentionOutput', [d, d]),
            ...at('attentionNorm', [d]),
            ...at('intermediate', [intermediateSize, d]),
            ...at('output', [d, intermediateSize]),
            ...at('outputNorm', [d]),
          ];
        }).flat(),
        ...(pooler ? pair(pooler, [d, d], { optional: true }) : []),
      ];
    },

    headSlices({ headDim }, layer, head) {
      const ranges: Range[] = [[head * headDim, (head + 1) * headDim]];
      const rows = (role: 'query' | 'key' | 'value', part: 'weight' | 'bias', tuned: HeadRole): HeadSlice => ({
        tensor: `${moduleOf(layer, role)}.${part}`,
        axis: 'rows',
        ranges,
        role: tuned,
      });
      return [
        rows('query', 'weight', 'q'),
        rows('query', 'bias', 'q'),
        rows('key', 'weight', 'k'),
        { ...rows('key', 'bias', 'k'), inert: true },
        rows('value', 'weight', 'v'),
        rows('value', 'bias', 'v'),
        { tensor: `${moduleOf(layer, 'attentionOutput')}.weight`, axis: 'columns', ranges, role: 'o' },
      ];
    },

    neuronSlices(_, layer, neuron) {
      const ranges: Range[] = [[neuron, neuron + 1]];
      return [
        { tensor: `${moduleOf(layer, 'intermediate')}.weight`, axis: 'rows', ranges },
        { tensor: `${moduleOf(layer, 'intermediate')}.bias`, axis: 'rows', ranges },
        { tensor: `${moduleOf(layer, 'output')}.weight`, axis: 'columns', ranges },
      ];
    },

    taskHead: (_, kind) => taskHeads[kind],

    embed(net, config) {
      const { words, positions, segments, norm, projection } = embeddings;
      const word = net.embed(words, 'ids'); // [E]
      const typed = segments ? net.add(word, net.embed(segments, 'segments')) : word;
      const sum = net.add(typed, net.embed(positions, 'positions'));
      const normed = net.layerNorm(sum, norm, config.layerNormEps);
      const x = net.dropout(normed, config.hiddenDropout, 0, 'embeddings');
      return projection && config.embeddingSize !== config.hiddenSize ? net.linear(x, projection) : x; // [d]
    },

    attend(net, config, layer, x, asking) {
      const { heads, headDim, attentionDropout } = config;
      const factor = relative?.factor?.(config) ?? 1 / Math.sqrt(headDim);
      const ofQuery = { module: moduleOf(layer, 'query'), factor };
      const [ofKey, ofValue] = (['key', 'value'] as const).map((role) => ({ module: moduleOf(layer, role) }));
      const [query, key, value] = projections(net, { x, asking, apart: relative?.projects }, [
        ofQuery,
        ofKey,
        ofValue,
      ]).map((each) => net.splitHeads(each, heads));
      const scores = net.scores(query, key); // [B, H, Sq, S]
      const placed = relative ? relative.add(net, config, layer, { scores, query, key }) : scores;
      const probabilities = net.dropout(net.softmax(net.maskPadding(placed)), attentionDropout, layer, 'attention');
      return net.weightedSum(probabilities, value); // [B, H, Sq, dh]
    },

    afterHeads(net, { activation, hiddenDropout, layerNormEps }, layer, asking, heads) {
      const projected = net.linear(net.joinHeads(heads), moduleOf(layer, 'attentionOutput'));
      const attended = net.dropout(projected, dropsAttentionOutput ? hiddenDropout : 0, layer, 'attentionOutput');
      const middle = net.layerNorm(net.add(attended, asking), moduleOf(layer, 'attentionNorm'), layerNormEps);
      const inner = net.activate(net.linear(middle, moduleOf(layer, 'intermediate')), activation); // [di]
      const output = net.dropout(net.linear(inner, moduleOf(layer, 'output')), hiddenDropout, layer, 'output');
      return net.layerNorm(net.add(output, middle), moduleOf(layer, 'outputNorm'), layerNormEps); // [d]
    },
  };
}

/** Dense layer and classifier over the first token. */
function denseTaskHead(
  { dense, classifier, activation, dropsInput }: PostNormNames['taskHead'],
  pooler: string | undefined,
): TaskHead {
  return {
    reads: 'first',
    own: [dense, classifier].filter((module) => module !== pooler),
    output: classifier,
    tensors: ({ hiddenSize: d }: ModelConfig, outputs: number) => [
      ...pair(dense, [d, d]),
      ...pair(classifier, [outputs, d]),
    ],
    logits(net, { layers, classifierDropout }, x) {
      const input = net.dropout(x, dropsInput ? classifierDropout : 0, layers, 'headInput');
      const hidden = net.activate(net.linear(input, dense), activation); // [d]
      return net.linear(net.dropout(hidden, classifierDropout, layers, 'pooled'), classifier); // [C]
    },
  };
}

/** Weight of the given shape and bias of its first axis. */
export function pair(module: string, shape: number[], traits: Omit<ModelTensor, 'name' | 'shape'> = {}): ModelTensor[] {
  return [
    { name: `${module}.weight`, shape, ...traits },
    { name: `${module}.bias`, shape: [shape[0]], ...traits },
  ];
}

export const bert: Architecture = {
  modelType: 'bert',
  classPrefix: 'Bert',
  prefixes: ['', 'bert.'],
  config: BERT_CONFIG,
  defaults: {},
  positions: 'fromZero',
  ...postNormEncoder({
    embeddings: BERT_EMBEDDINGS,
    layerPrefix: 'encoder.layer.',
    layer: BERT_LAYER,
    pooler: 'pooler.dense',
    dropsAttentionOutput: true,
    taskHead: { dense: 'pooler.dense', classifier: 'classifier', activation: 'tanh', dropsInput: false },
  }),
};
