import { z } from 'zod';
import type { Architecture, BaseSizes, HeadSlice, ModelConfig, ModelTensor, TaskHead } from '../architecture';
import type { RowOfDistance } from '../operations';
import { BERT_CONFIG, BERT_EMBEDDINGS, BERT_LAYER, pair, postNormEncoder } from './bert';

const PROJECTION = 'embeddings.embed_proj';
/** Table of distances that all layers share, and its norm. // [2·span, d] */
const DISTANCES = 'encoder.rel_embeddings';
const DISTANCES_NORM = 'encoder.LayerNorm';
const CONVOLUTION = 'encoder.conv';

const wholeNumber = z.int('an integer');
const flag = z.boolean('true or false');
const act = z.enum(['gelu', 'gelu_new', 'relu', 'silu', 'tanh'], 'one of gelu, gelu_new, relu, silu, tanh');

/** Fields of config.json that only this family has, with transformers' defaults. */
const fields = z.object({
  relative_attention: flag.default(false),
  max_relative_positions: wholeNumber.default(-1),
  position_buckets: wholeNumber.refine((count) => count !== 1, 'an integer other than 1').default(-1),
  norm_rel_ebd: z.string('a text').default('none'),
  share_att_key: flag.default(false),
  pos_att_type: z
    .union([z.string(), z.array(z.string())], 'a list of "c2p" and "p2c"')
    .nullish()
    .transform((types) => (typeof types === 'string' ? types.toLowerCase().split('|') : (types ?? [])))
    .transform((types) => types.map((type) => type.trim())),
  position_biased_input: flag.default(true),
  conv_kernel_size: wholeNumber.refine((width) => width <= 0 || width % 2 === 1, 'odd, or 0').default(0),
  conv_groups: z.literal(1, '1: grouped convolutions are not supported').default(1),
  conv_act: act.default('tanh'),
  pooler_dropout: z.number('a rate from 0 to below 1').min(0, 'a rate from 0').lt(1, 'a rate below 1').default(0),
  pooler_hidden_act: act.default('gelu'),
});

/** Shape of the attention and of what surrounds it, from config.json. */
function details({ raw, positionRows }: Pick<BaseSizes, 'raw' | 'positionRows'>) {
  const read = fields.parse(raw);
  const farthest = read.max_relative_positions < 1 ? positionRows : read.max_relative_positions;
  const span = read.position_buckets > 0 ? read.position_buckets : farthest;
  const [toPosition, fromPosition] = ['c2p', 'p2c'].map((type) => read.pos_att_type.includes(type));
  return {
    ...read,
    farthest,
    /** Rows of the table of distances on either side of 0. */
    span,
    /** Number of terms of a score. */
    terms: 1 + Number(toPosition) + Number(fromPosition),
    /** Terms of a query with the key's relative position. */
    toPosition: read.relative_attention && toPosition,
    /** Terms of a key with the query's relative position. */
    fromPosition: read.relative_attention && fromPosition,
    normsDistances: read.norm_rel_ebd
      .toLowerCase()
      .split('|')
      .some((norm) => norm.trim() === 'layer_norm'),
    convolves: read.conv_kernel_size > 0,
  };
}

const attentionModule = (layer: number, part: string) => `encoder.layer.${layer}.attention.self.${part}`;
/** Modules that give the positions' keys and queries. */
const positionModules = ({ share_att_key: shared }: { share_att_key: boolean }) =>
  shared ? { key: 'key_proj', query: 'query_proj' } : { key: 'pos_key_proj', query: 'pos_query_proj' };

const factorOf = (config: ModelConfig) => 1 / Math.sqrt(details(config).terms * config.headDim);

const encoder = postNormEncoder({
  embeddings: BERT_EMBEDDINGS,
  layerPrefix: 'encoder.layer.',
  layer: {
    ...BERT_LAYER,
    query: 'attention.self.query_proj',
    key: 'attention.self.key_proj',
    value: 'attention.self.value_proj',
  },
  dropsAttentionOutput: true,
  tokenDropout: 'hiddenDropout',
  relative: {
    factor: factorOf,
    projects: true,
    add(net, config, layer, { scores, query, key }) {
      const found = details(config);
      if (!found.toPosition && !found.fromPosition) return scores;
      const table = net.distanceTable(DISTANCES); // [2·span, d]
      const normed = found.normsDistances ? net.layerNorm(table, DISTANCES_NORM, config.layerNormEps) : table;
      const distances = net.dropout(normed, config.hiddenDropout, layer, 'distances');
      const rowOf = rowOfDistance(found);
      const modules = positionModules(found);
      let sum = scores;
      if (found.toPosition) {
        const keys = net.linear(distances, attentionModule(layer, modules.key)); // [2·span, H·dh]
        sum = net.addDistanceScores(sum, query, keys, rowOf, 'query');
      }
      if (found.fromPosition) {
        const queries = net.linear(distances, attentionModule(layer, modules.query), { factor: factorOf(config) });
        sum = net.addDistanceScores(sum, key, queries, rowOf, 'key');
      }
      return sum;
    },
  },
  taskHead: { dense: 'pooler.dense', classifier: 'classifier', activation: 'gelu', dropsInput: true },
});

/**
 * Row of the table for a distance: those up to half of the buckets have one each, longer ones share
 * it on a logarithmic scale. In float32, as PyTorch computes it.
 */
export function rowOfDistance({
  position_buckets: buckets,
  farthest,
  span,
}: Record<'position_buckets' | 'farthest' | 'span', number>): RowOfDistance {
  const { fround, log } = Math;
  const middle = Math.floor(buckets / 2);
  const bucketOf = (distance: number) => {
    const length = Math.abs(distance);
    if (buckets <= 0 || length <= middle) return distance;
    const scale = fround(log(fround((farthest - 1) / middle)));
    const share = fround(fround(log(fround(length / middle))) / scale);
    return Math.sign(distance) * (Math.ceil(fround(share * (middle - 1))) + middle);
  };
  return (distance) => Math.min(2 * span - 1, Math.max(0, bucketOf(distance) + span));
}

/** Logits from the first token, through the pooler. */
const sequenceLogits: TaskHead['logits'] = (net, config, x) => {
  const { layers, classifierDropout } = config;
  const { pooler_dropout, pooler_hidden_act } = details(config);
  const input = net.dropout(x, pooler_dropout, layers, 'headInput');
  const hidden = net.activate(net.linear(input, 'pooler.dense'), pooler_hidden_act); // [d]
  return net.linear(net.dropout(hidden, classifierDropout, layers, 'pooled'), 'classifier'); // [C]
};

/** DeBERTa-v2 and -v3 (He et al. 2021): scores of contents and of relative positions, apart. */
export const debertaV2: Architecture = {
  modelType: 'deberta-v2',
  classPrefix: 'DebertaV2',
  prefixes: ['', 'deberta.'],
  config: { ...BERT_CONFIG, embeddingSize: 'embedding_size', classifierDropout: 'cls_dropout' },
  defaults: { typeVocabSize: 0, layerNormEps: 1e-7 },
  positions: 'fromZero',
  ...encoder,

  fault(config) {
    const { raw, hiddenSize, headDim, layers } = config;
    const read = fields.safeParse(raw);
    if (!read.success) {
      const { path, message } = read.error.issues[0];
      return [String(path[0]), raw[String(path[0])], message];
    }
    const fixed = { attention_head_size: headDim, pooler_hidden_size: hiddenSize };
    for (const [field, right] of Object.entries(fixed)) {
      if ((raw[field] ?? right) !== right) return [field, raw[field], String(right)];
    }
    if (!details(config).convolves || layers > 1) return undefined;
    return ['conv_kernel_size', raw.conv_kernel_size, '0 in a model of one layer'];
  },

  tensors(sizes): ModelTensor[] {
    const { hiddenSize: d, embeddingSize, vocabSize, positionRows, typeVocabSize, layers } = sizes;
    const found = details(sizes);
    const { words, positions, segments, norm } = BERT_EMBEDDINGS;
    const table = (name: string, rows: number) => [{ name: `${name}.weight`, shape: [rows, embeddingSize] }];
    const ofPositions = (layer: number) => {
      const { key, query } = positionModules(found);
      return [
        ...(found.toPosition ? pair(attentionModule(layer, key), [d, d]) : []),
        ...(found.fromPosition ? pair(attentionModule(layer, query), [d, d]) : []),
      ];
    };
    return [
      ...table(words, vocabSize),
      ...(found.position_biased_input ? table(positions, positionRows) : []),
      ...(typeVocabSize > 0 ? table(segments, typeVocabSize) : []),
      ...(embeddingSize === d ? [] : [{ name: `${PROJECTION}.weight`, shape: [d, embeddingSize] }]),
      ...pair(norm, [d]),
      ...encoder.tensors(sizes).filter(({ name }) => name.startsWith(encoder.layerPrefix)),
      ...(found.share_att_key ? [] : Array.from({ length: layers }, (_, layer) => ofPositions(layer)).flat()),
      ...(found.relative_attention ? [{ name: `${DISTANCES}.weight`, shape: [2 * found.span, d] }] : []),
      ...(found.normsDistances ? pair(DISTANCES_NORM, [d]) : []),
      ...(found.convolves ? pair(`${CONVOLUTION}.conv`, [d, d, found.conv_kernel_size]) : []),
      ...(found.convolves ? pair(`${CONVOLUTION}.LayerNorm`, [d]) : []),
      ...pair('pooler.dense', [d, d], { optional: true }),
    ];
  },

  /** The query's relative position makes a key's bias count, unless it has keys of its own. */
  headSlices(config, layer, head) {
    const found = details(config);
    const content = encoder.headSlices(config, layer, head);
    const [query, , key] = content;
    const keyBias = attentionModule(layer, 'key_proj.bias');
    const own = content.map((slice) =>
      slice.tensor === keyBias && found.fromPosition ? { ...slice, inert: false } : slice,
    );
    if (found.share_att_key) return own;
    const rows = (like: HeadSlice, name: string, inert?: boolean) => ({
      ...like,
      tensor: attentionModule(layer, name),
      inert,
    });
    return [
      ...own,
      ...(found.toPosition ? [rows(key, 'pos_key_proj.weight'), rows(key, 'pos_key_proj.bias', true)] : []),
      ...(found.fromPosition ? [rows(query, 'pos_query_proj.weight'), rows(query, 'pos_query_proj.bias')] : []),
    ];
  },

  embed(net, config) {
    const { hiddenSize, embeddingSize, typeVocabSize, layerNormEps, hiddenDropout } = config;
    const { words, positions, segments, norm } = BERT_EMBEDDINGS;
    const word = net.embed(words, 'ids'); // [E]
    const placed = details(config).position_biased_input ? net.add(word, net.embed(positions, 'positions')) : word;
    const typed = typeVocabSize > 0 ? net.add(placed, net.embed(segments, 'segments')) : placed;
    const x = embeddingSize === hiddenSize ? typed : net.linear(typed, PROJECTION); // [d]
    return net.dropout(net.layerNorm(x, norm, layerNormEps), hiddenDropout, 0, 'embeddings');
  },

  /** A convolution of the first layer's input joins that layer's output. */
  afterHeads(net, config, layer, asking, heads) {
    const output = encoder.afterHeads(net, config, layer, asking, heads); // [d]
    const { convolves, conv_act } = details(config);
    if (!convolves || layer > 0) return output;
    const convolved = net.convolve(asking, `${CONVOLUTION}.conv`);
    const kept = net.dropout(convolved, config.hiddenDropout, layer, 'convolution');
    const sum = net.add(output, net.activate(kept, conv_act));
    return net.layerNorm(sum, `${CONVOLUTION}.LayerNorm`, config.layerNormEps);
  },

  taskHead: (config, kind) => ({
    ...encoder.taskHead(config, kind),
    ...(kind === 'sequence' && { logits: sequenceLogits }),
  }),
};
