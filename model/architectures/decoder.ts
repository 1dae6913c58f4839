import type {
  Architecture,
  HeadRole,
  HeadSlice,
  ModelConfig,
  ModelTensor,
  TaskHead,
  TaskHeadKind,
  TensorPart,
} from '../architecture';
import type { Operations, QueryTokens, Range } from '../operations';
import { configuredFrequencies, rotaryFault } from '../rotary';
import { projections } from './projections';
import { tokenHead } from './token-head';

/**
 * Causal decoder as a classifier (Touvron et al. 2023): norms before attention and
 * feed-forward, rotary positions, grouped keys and values, a gated feed-forward. A sequence's
 * task head reads the last token, which alone has seen all others.
 */
export interface DecoderTraits {
  modelType: string;
  classPrefix: string;
  tokenizerClass?: string;
  /** Values of fields that config.json leaves out. */
  defaults: Architecture['defaults'];
  /** Modules of a layer that have a bias. */
  biased(raw: ModelConfig['raw']): readonly (keyof typeof PROJECTIONS)[];
  /** Whether each head's queries and keys are normalized, by one scale for all heads. */
  normalizesHeads: boolean;
  /** Whether config.json can ask for attention within a window, which is not supported. */
  hasWindows: boolean;
}

const PROJECTIONS = {
  q: 'self_attn.q_proj',
  k: 'self_attn.k_proj',
  v: 'self_attn.v_proj',
  o: 'self_attn.o_proj',
  gate: 'mlp.gate_proj',
  up: 'mlp.up_proj',
  down: 'mlp.down_proj',
};
const NORMS = { input: 'input_layernorm', middle: 'post_attention_layernorm' };
const HEAD_NORMS = { q: 'self_attn.q_norm', k: 'self_attn.k_norm' };
const LAYER_PREFIX = 'layers.';
const WORDS = 'embed_tokens';
const FINAL_NORM = 'norm';
const SCORE = 'score';

const inLayer = (layer: number, module: string) => `${LAYER_PREFIX}${layer}.${module}`;

export function decoder({ biased, normalizesHeads, hasWindows, ...names }: DecoderTraits): Architecture {
  const taskHeads: Record<TaskHeadKind, TaskHead> = {
    sequence: {
      reads: 'last',
      own: [SCORE],
      output: SCORE,
      tensors: ({ hiddenSize: d }, outputs) => [{ name: `${SCORE}.weight`, shape: [outputs, d] }],
      logits: (net, _, last) => net.linear(last, SCORE), // [C]
    },
    token: tokenHead(SCORE, ({ classifierDropout }) => classifierDropout),
  };

  /** Queries or keys of some tokens: cut into heads, normalized, turned by places. */
  function turned<V>(
    net: Operations<V>,
    config: ModelConfig,
    layer: number,
    { of, projected, tokens, factor = 1 }: { of: 'q' | 'k'; projected: V; tokens: QueryTokens; factor?: number },
  ): V {
    const { heads, keyValueHeads, layerNormEps } = config;
    const split = net.splitHeads(projected, of === 'q' ? heads : keyValueHeads);
    const normed = normalizesHeads ? net.rmsNorm(split, inLayer(layer, HEAD_NORMS[of]), layerNormEps, factor) : split;
    return net.rotary(normed, configuredFrequencies(config), tokens);
  }

  return {
    ...names,
    prefixes: ['', 'model.'],
    legacyEndings: [],
    config: {
      layers: 'num_hidden_layers',
      heads: 'num_attention_heads',
      keyValueHeads: 'num_key_value_heads',
      headDim: 'head_dim',
      hiddenSize: 'hidden_size',
      intermediateSize: 'intermediate_size',
      vocabSize: 'vocab_size',
      positionRows: 'max_position_embeddings',
      activation: 'hidden_act',
      layerNormEps: 'rms_norm_eps',
      attentionDropout: 'attention_dropout',
      classifierDropout: 'classifier_dropout',
      initializerRange: 'initializer_range',
      padTokenId: 'pad_token_id',
    },
    defaults: {
      typeVocabSize: 0,
      activation: 'silu',
      layerNormEps: 1e-6,
      hiddenDropout: 0,
      attentionDropout: 0,
      classifierDropout: 0.1,
      ...names.defaults,
    },
    padsAsTokenizer: true,
    causal: true,
    positions: 'fromZero',
    segments: false,
    wordEmbeddings: WORDS,
    layerPrefix: LAYER_PREFIX,

    fault({ raw, headDim }) {
      if (headDim % 2 !== 0) return ['head_dim', headDim, 'even: rotary positions turn pairs of numbers'];
      const windows = 'false: attention within a window is not supported';
      if (hasWindows && raw.use_sliding_window) return ['use_sliding_window', raw.use_sliding_window, windows];
      const types = Array.isArray(raw.layer_types) ? raw.layer_types : [];
      const type = types.find((each) => each !== 'full_attention');
      if (type !== undefined) return ['layer_types', type, '"full_attention" in every layer'];
      return rotaryFault(raw);
    },

    tensors({ layers, heads, keyValueHeads, headDim, hiddenSize: d, intermediateSize: di, vocabSize, raw }) {
      const [q, kv] = [heads * headDim, keyValueHeads * headDim];
      const shapes = { q: [q, d], k: [kv, d], v: [kv, d], o: [d, q], gate: [di, d], up: [di, d], down: [d, di] };
      const weight = (module: string, shape: number[]): ModelTensor => ({ name: `${module}.weight`, shape });
      const withBias = biased(raw);
      return [
        weight(WORDS, [vocabSize, d]),
        ...Array.from({ length: layers }, (_, layer) => [
          weight(inLayer(layer, NORMS.input), [d]),
          ...(Object.keys(shapes) as (keyof typeof shapes)[]).flatMap((role) => {
            const module = inLayer(layer, PROJECTIONS[role]);
            const bias = { name: `${module}.bias`, shape: [shapes[role][0]] };
            return [weight(module, shapes[role]), ...(withBias.includes(role) ? [bias] : [])];
          }),
          ...(normalizesHeads ? Object.values(HEAD_NORMS).map((norm) => weight(inLayer(layer, norm), [headDim])) : []),
          weight(inLayer(layer, NORMS.middle), [d]),
        ]).flat(),
        weight(FINAL_NORM, [d]),
      ];
    },

    headSlices({ heads, keyValueHeads, headDim, raw }, layer, head) {
      const group = Math.floor((head * keyValueHeads) / heads);
      const rangesOf = (index: number): Range[] => [[index * headDim, (index + 1) * headDim]];
      const withBias = biased(raw);
      const rows = (role: HeadRole, index: number): HeadSlice[] =>
        (withBias.includes(role) ? ['weight', 'bias'] : ['weight']).map((part) => ({
          tensor: `${inLayer(layer, PROJECTIONS[role])}.${part}`,
          axis: 'rows',
          ranges: rangesOf(index),
          role,
        }));
      const columns = `${inLayer(layer, PROJECTIONS.o)}.weight`;
      return [
        ...rows('q', head),
        ...rows('k', group),
        ...rows('v', group),
        { tensor: columns, axis: 'columns', ranges: rangesOf(head), role: 'o' },
      ];
    },

    neuronSlices({ raw }, layer, neuron) {
      const ranges: Range[] = [[neuron, neuron + 1]];
      const withBias = biased(raw);
      const rows = (role: 'gate' | 'up'): TensorPart[] =>
        (withBias.includes(role) ? ['weight', 'bias'] : ['weight']).map((part) => ({
          tensor: `${inLayer(layer, PROJECTIONS[role])}.${part}`,
          axis: 'rows',
          ranges,
        }));
      const columns = `${inLayer(layer, PROJECTIONS.down)}.weight`;
      return [...rows('gate'), ...rows('up'), { tensor: columns, axis: 'columns', ranges }];
    },

    taskHead: (_, kind) => taskHeads[kind],

    embed: (net) => net.embed(WORDS, 'ids'), // [d]

    attend(net, config, layer, x, asking, tokens) {
      const { heads, keyValueHeads, headDim, layerNormEps, attentionDropout } = config;
      const norm = (each: typeof x) => net.rmsNorm(each, inLayer(layer, NORMS.input), layerNormEps);
      const normed = norm(x);
      const asked = tokens === 'all' ? normed : norm(asking);
      const times = heads / keyValueHeads;
      const factor = 1 / Math.sqrt(headDim);
      const modules = (['q', 'k', 'v'] as const).map((of) => ({ module: inLayer(layer, PROJECTIONS[of]) }));
      const [q, ...kv] = modules;
      const queries = { ...q, ...(!normalizesHeads && { factor }) };
      const [asks, keys, found] = projections(net, { x: normed, asking: asked }, [queries, ...kv]);
      const query = turned(net, config, layer, { of: 'q', projected: asks, tokens, factor });
      const key = net.repeatHeads(turned(net, config, layer, { of: 'k', projected: keys, tokens: 'all' }), times);
      const values = net.splitHeads(found, keyValueHeads);
      const scores = net.scores(query, key); // [B, H, Sq, S]
      const probabilities = net.softmax(net.maskFuture(scores, tokens));
      const kept = net.dropout(probabilities, attentionDropout, layer, 'attention');
      return net.weightedSum(kept, net.repeatHeads(values, times)); // [B, H, Sq, dh]
    },

    afterHeads(net, { layers, activation, layerNormEps }, layer, asking, heads) {
      const module = (role: keyof typeof PROJECTIONS) => inLayer(layer, PROJECTIONS[role]);
      const middle = net.add(asking, net.linear(net.joinHeads(heads), module('o'))); // [d]
      const normed = net.rmsNorm(middle, inLayer(layer, NORMS.middle), layerNormEps);
      const gate = net.activate(net.linear(normed, module('gate')), activation); // [di]
      const inner = net.multiply(gate, net.linear(normed, module('up')));
      const output = net.add(middle, net.linear(inner, module('down'))); // [d]
      return layer === layers - 1 ? net.rmsNorm(output, FINAL_NORM, layerNormEps) : output;
    },
  };
}
