import { z } from 'zod';
import { ACTIVATIONS } from '../activations';
import type { Architecture, HeadRole, HeadSlice, ModelTensor, TaskHead, TensorPart } from '../architecture';
import type { LinearModule, QueryTokens, Range, Window } from '../operations';
import { rotaryFrequencies } from '../rotary';
import { projections } from './projections';

const flag = z.boolean('true or false').default(false);
const theta = z.number('a number above 1').gt(1, 'a number above 1');
const rope = z
  .object({
    rope_type: z.literal('default', '"default": no other scaling of positions is supported').default('default'),
    rope_theta: theta.nullish(),
  })
  .nullish();
const activation = z.enum(Object.keys(ACTIVATIONS), `one of ${Object.keys(ACTIVATIONS).join(', ')}`);
const layerKind = z.enum(['full_attention', 'sliding_attention'], '"full_attention" or "sliding_attention"');

/**
 * Fields that only ModernBERT has, with transformers' defaults. `layer_types` and `rope_parameters`
 * are those of transformers 5; before, layers and θ had the fields that follow them.
 */
const fields = z.object({
  layer_types: z.array(layerKind, 'a list of one kind per layer').nullish(),
  global_attn_every_n_layers: z.int('a positive integer').min(1, 'a positive integer').default(3),
  rope_parameters: z.object({ full_attention: rope, sliding_attention: rope }, 'an object').nullish(),
  global_rope_theta: theta.default(160_000),
  local_rope_theta: theta.nullish(),
  rope_scaling: z.null('null: no scaling of positions is supported').optional(),
  local_attention: z.int('an integer from 2').min(2, 'an integer from 2').default(128),
  embedding_dropout: z
    .number('a rate from 0 to below 1')
    .min(0, 'a rate from 0 to below 1')
    .lt(1, 'a rate from 0 to below 1')
    .default(0),
  attention_bias: flag,
  mlp_bias: flag,
  norm_bias: flag,
  classifier_bias: flag,
  classifier_activation: activation.default('gelu'),
  classifier_pooling: z.enum(['cls', 'mean'], '"cls" or "mean"').default('cls'),
});

type Raw = Record<string, unknown>;
type Attention = 'global' | 'local';

/** Attention of a layer. */
function attentionOf(raw: Raw, layer: number): Attention {
  const { layer_types: kinds, global_attn_every_n_layers: every } = fields.parse(raw);
  if (kinds) return kinds[layer] === 'full_attention' ? 'global' : 'local';
  return layer % every === 0 ? 'global' : 'local';
}

/** θ of the layers with this attention. */
function thetaOf(raw: Raw, attention: Attention): number {
  const { rope_parameters: rotary, global_rope_theta: global, local_rope_theta: local = 10_000 } = fields.parse(raw);
  const ofGlobal = rotary?.full_attention?.rope_theta ?? global;
  // transformers 4 lets a null stand for the global θ.
  return attention === 'global' ? ofGlobal : (rotary?.sliding_attention?.rope_theta ?? local ?? ofGlobal);
}

const LAYER = 'layers.';
const at = (layer: number, module: string) => `${LAYER}${layer}.${module}`;

/** Weight of the given shape, and bias of its first axis if the module has one. */
const tensorsOf = (name: string, shape: number[], bias: boolean, optional?: true): ModelTensor[] =>
  (bias ? ['weight', 'bias'] : ['weight']).map((part) => ({
    name: `${name}.${part}`,
    shape: part === 'weight' ? shape : [shape[0]],
    ...(optional && { optional }),
  }));

/** Dense layer and norm, which a masked language model shares with the classifier. */
function pooler(d: number, raw: Raw): ModelTensor[] {
  const { classifier_bias: dense, norm_bias: norm } = fields.parse(raw);
  return [...tensorsOf('head.dense', [d, d], dense, true), ...tensorsOf('head.norm', [d], norm, true)];
}

const taskHead = (reads: TaskHead['reads']): TaskHead => ({
  reads,
  own: ['head', 'classifier'],
  output: 'classifier',
  tensors: ({ hiddenSize: d, raw }, outputs) => [...pooler(d, raw), ...tensorsOf('classifier', [outputs, d], true)],
  logits(net, { layers, layerNormEps, classifierDropout, raw }, x) {
    const hidden = net.activate(net.linear(x, 'head.dense'), ACTIVATIONS[fields.parse(raw).classifier_activation]);
    const normed = net.layerNorm(hidden, 'head.norm', layerNormEps); // [d]
    return net.linear(net.dropout(normed, classifierDropout, layers, 'pooled'), 'classifier'); // [C]
  },
});

/**
 * ModernBERT (Warner et al. 2024): layer norms before attention and feed-forward, queries, keys and
 * values in one matrix, rotary positions, local attention in most layers, a gated feed-forward.
 */
export const modernbert: Architecture = {
  modelType: 'modernbert',
  classPrefix: 'ModernBert',
  tokenizerClass: 'TokenizersBackend',
  prefixes: ['', 'model.'],
  legacyEndings: [],
  config: {
    layers: 'num_hidden_layers',
    heads: 'num_attention_heads',
    hiddenSize: 'hidden_size',
    intermediateSize: 'intermediate_size',
    vocabSize: 'vocab_size',
    positionRows: 'max_position_embeddings',
    activation: 'hidden_activation',
    layerNormEps: 'norm_eps',
    hiddenDropout: 'mlp_dropout',
    attentionDropout: 'attention_dropout',
    classifierDropout: 'classifier_dropout',
    initializerRange: 'initializer_range',
    padTokenId: 'pad_token_id',
  },
  defaults: {
    typeVocabSize: 0,
    positionRows: 8192,
    layerNormEps: 1e-5,
    hiddenDropout: 0,
    attentionDropout: 0,
    classifierDropout: 0,
    padTokenId: 50_283,
  },
  positions: 'fromZero',
  segments: false,
  wordEmbeddings: 'embeddings.tok_embeddings',
  layerPrefix: LAYER,

  fault({ raw }) {
    const { error } = fields.safeParse(raw);
    if (error) {
      const { path, message } = error.issues[0];
      const value = path.reduce<unknown>((whole, key) => (whole as Record<PropertyKey, unknown>)[key], raw);
      return [path.join('.'), value, message];
    }
    const { layer_types: kinds, num_hidden_layers: layers, hidden_size: d, num_attention_heads: heads } = raw;
    if (Array.isArray(kinds) && kinds.length !== layers) {
      return ['layer_types', kinds, `a list of num_hidden_layers (${layers}) kinds`];
    }
    const isOdd = (Number(d) / Number(heads)) % 2 !== 0;
    return isOdd ? ['hidden_size', d, `an even multiple of num_attention_heads (${heads})`] : undefined;
  },

  tensors({ layers, hiddenSize: d, intermediateSize, vocabSize, raw }) {
    const { attention_bias: attention, mlp_bias: feedForward, norm_bias: norm } = fields.parse(raw);
    return [
      ...tensorsOf('embeddings.tok_embeddings', [vocabSize, d], false),
      ...tensorsOf('embeddings.norm', [d], norm),
      ...Array.from({ length: layers }, (_, layer) => [
        ...(layer > 0 ? tensorsOf(at(layer, 'attn_norm'), [d], norm) : []),
        ...tensorsOf(at(layer, 'attn.Wqkv'), [3 * d, d], attention),
        ...tensorsOf(at(layer, 'attn.Wo'), [d, d], attention),
        ...tensorsOf(at(layer, 'mlp_norm'), [d], norm),
        ...tensorsOf(at(layer, 'mlp.Wi'), [2 * intermediateSize, d], feedForward),
        ...tensorsOf(at(layer, 'mlp.Wo'), [d, intermediateSize], feedForward),
      ]).flat(),
      ...tensorsOf('final_norm', [d], norm),
      ...pooler(d, raw),
    ];
  },

  headSlices({ headDim, hiddenSize: d, raw }, layer, head) {
    const rows = (third: number): Range[] => [[third * d + head * headDim, third * d + (head + 1) * headDim]];
    const parts = fields.parse(raw).attention_bias ? ['weight', 'bias'] : ['weight'];
    const roles: HeadRole[] = ['q', 'k', 'v'];
    const fused = parts.flatMap((part) =>
      roles.map((role, third): HeadSlice => {
        return { tensor: at(layer, `attn.Wqkv.${part}`), axis: 'rows', ranges: rows(third), role };
      }),
    );
    return [...fused, { tensor: at(layer, 'attn.Wo.weight'), axis: 'columns', ranges: rows(0), role: 'o' }];
  },

  neuronSlices({ intermediateSize: di, raw }, layer, neuron) {
    const ranges = (of: readonly number[]): Range[] => of.map((from) => [from + neuron, from + neuron + 1]);
    const parts = fields.parse(raw).mlp_bias ? ['weight', 'bias'] : ['weight'];
    return [
      ...parts.map(
        (part): TensorPart => ({ tensor: at(layer, `mlp.Wi.${part}`), axis: 'rows', ranges: ranges([0, di]) }),
      ),
      { tensor: at(layer, 'mlp.Wo.weight'), axis: 'columns', ranges: ranges([0]) },
    ];
  },

  taskHead({ raw }, kind) {
    if (kind === 'token') return taskHead('every');
    return taskHead(fields.parse(raw).classifier_pooling === 'mean' ? 'mean' : 'first');
  },

  embed(net, { layerNormEps, raw }) {
    const normed = net.layerNorm(net.embed('embeddings.tok_embeddings', 'ids'), 'embeddings.norm', layerNormEps);
    return net.dropout(normed, fields.parse(raw).embedding_dropout, 0, 'embeddings'); // [d]
  },

  attend(net, { heads, headDim, hiddenSize: d, layerNormEps, attentionDropout, raw }, layer, x, asking, tokens) {
    const attention = attentionOf(raw, layer);
    const reach = Math.floor(fields.parse(raw).local_attention / 2);
    const window: Window | undefined = attention === 'local' ? { reach, tokens } : undefined;
    const frequencies = rotaryFrequencies(headDim, thetaOf(raw, attention));
    const norm = (each: typeof x) => (layer > 0 ? net.layerNorm(each, at(layer, 'attn_norm'), layerNormEps) : each);
    const normed = norm(x); // [d]
    const asked = asking === x ? normed : norm(asking);
    const thirds = [1 / Math.sqrt(headDim), 1, 1].map((factor, i): LinearModule => {
      return { module: at(layer, 'attn.Wqkv'), rows: [i * d, (i + 1) * d], factor };
    });
    const [query, key, value] = projections(net, { x: normed, asking: asked }, thirds).map((each) =>
      net.splitHeads(each, heads),
    );
    const turned = (each: typeof x, which: QueryTokens) => net.rotary(each, frequencies, which);
    const scores = net.scores(turned(query, tokens), turned(key, 'all'), window); // [B, H, Sq, S]
    const masked = window ? net.maskWindow(scores, window) : net.maskPadding(scores);
    const probabilities = net.dropout(net.softmax(masked), attentionDropout, layer, 'attention');
    return net.weightedSum(probabilities, value, window); // [B, H, Sq, dh]
  },

  afterHeads(net, config, layer, asking, heads) {
    const { layers, intermediateSize: di, layerNormEps, attentionDropout, hiddenDropout } = config;
    const projected = net.linear(net.joinHeads(heads), at(layer, 'attn.Wo'));
    const middle = net.add(asking, net.dropout(projected, attentionDropout, layer, 'attentionOutput'));
    const normed = net.layerNorm(middle, at(layer, 'mlp_norm'), layerNormEps);
    const half = (from: number) => net.linear(normed, at(layer, 'mlp.Wi'), { rows: [from, from + di] });
    const gated = net.multiply(net.activate(half(0), config.activation), half(di)); // [di]
    const output = net.linear(net.dropout(gated, hiddenDropout, layer, 'output'), at(layer, 'mlp.Wo'));
    const sum = net.add(middle, output);
    return layer === layers - 1 ? net.layerNorm(sum, 'final_norm', layerNormEps) : sum; // [d]
  },
};
