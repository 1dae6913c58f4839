import type { Architecture, BaseSizes } from '../architecture';
import { BERT_CONFIG, BERT_EMBEDDINGS, postNormEncoder } from './bert';

/** Bias by distance that all layers share. // [rows, H] */
const BIAS = 'encoder.relative_attention_bias';
/** Ranges of distances that transformers distinguishes, whatever the table's size. */
const RANGES = 32;
/** Distance from which on all belong to one range. */
const FARTHEST = 128;

const biasRows = ({ raw }: Pick<BaseSizes, 'raw'>) => raw.relative_attention_num_buckets ?? RANGES;

const encoder = postNormEncoder({
  embeddings: {
    words: BERT_EMBEDDINGS.words,
    positions: BERT_EMBEDDINGS.positions,
    norm: BERT_EMBEDDINGS.norm,
  },
  layerPrefix: 'encoder.layer.',
  layer: {
    query: 'attention.attn.q',
    key: 'attention.attn.k',
    value: 'attention.attn.v',
    attentionOutput: 'attention.attn.o',
    attentionNorm: 'attention.LayerNorm',
    intermediate: 'intermediate.dense',
    output: 'output.dense',
    outputNorm: 'output.LayerNorm',
  },
  pooler: 'pooler.dense',
  dropsAttentionOutput: true,
  relative: { add: (net, _, layer, { scores }) => net.addDistanceBias(scores, BIAS, rangeOf, layer) },
  taskHead: { dense: 'classifier.dense', classifier: 'classifier.out_proj', activation: 'tanh', dropsInput: true },
});

/**
 * Range of a distance (Raffel et al. 2020, §2.1): short distances have one each, longer ones share
 * it on a logarithmic scale; the signs have half of the ranges each. In float32, as PyTorch
 * computes it.
 */
export function rangeOf(distance: number): number {
  const half = RANGES / 2;
  const exact = half / 2;
  const first = distance < 0 ? half : 0;
  const length = Math.abs(distance);
  if (length < exact) return first + length;
  const share = Math.fround(Math.fround(Math.log(length / exact)) / Math.fround(Math.log(FARTHEST / exact)));
  return first + Math.min(half - 1, exact + Math.trunc(Math.fround(share * (half - exact))));
}

const { padTokenId: _pad, classifierDropout: _dropout, typeVocabSize: _types, ...config } = BERT_CONFIG;

/**
 * MPNet (Song et al. 2020): positions as RoBERTa's, and a bias by distance. Its padding token is
 * always 1, and its task head drops out at the layers' rate.
 */
export const mpnet: Architecture = {
  modelType: 'mpnet',
  classPrefix: 'MPNet',
  prefixes: ['', 'mpnet.'],
  config,
  defaults: { padTokenId: 1, typeVocabSize: 0 },
  positions: 'afterPadding',
  ...encoder,

  fault(sizes) {
    const value = biasRows(sizes);
    if (Number.isInteger(value) && (value as number) >= RANGES) return undefined;
    return ['relative_attention_num_buckets', value, `an integer from ${RANGES}`];
  },

  tensors: (sizes) => [
    ...encoder.tensors(sizes),
    { name: `${BIAS}.weight`, shape: [biasRows(sizes) as number, sizes.heads] },
  ],
};
