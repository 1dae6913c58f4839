import { invalidPart, invalidValue } from '../foundation/errors';
import type { Tune } from './tune';

/** Strategies for choosing heads (docs/method.md). */
export const STRATEGIES = [
  'hifi',
  'hifi-mid-top',
  'random',
  'bottom',
  'magnitude',
  'activation',
  'richness-only',
  'correlation-only',
  'gradient',
  'grad-l1',
  'fisher',
  'movement',
  'alps',
  'gate',
  'contrast',
  'all',
  'none',
] as const;
/** One of {@link STRATEGIES}. */
export type Strategy = (typeof STRATEGIES)[number];

/** Chosen head. */
export interface MaskHead {
  /** Number of the layer, from 0. */
  layer: number;
  /** Number of the head in its layer, from 0. */
  head: number;
  /** Score by which the strategy chose it; 0 with `all`, which uses no score. */
  score: number;
}

/** Chosen neuron of a feed-forward layer. */
export interface MaskNeuron {
  /** Number of the layer, from 0. */
  layer: number;
  /** Number of the neuron in its layer, from 0: its row of the first matrix. */
  index: number;
  /** Score by which the strategy chose it; 0 with `all`, which uses no score. */
  score: number;
}

/** Content of mask.json: the heads or neurons to tune, and their share of the model. */
export interface Mask {
  /** Version of this format. */
  schemaVersion: 1;
  /** Base model of the heads. */
  model: {
    /** Known name, or the folder's last part. */
    name: string;
    /**
     * SHA-256 of its weights, in hexadecimal. It identifies the model to which the mask belongs.
     */
    sha256: string;
  };
  /** Strategy that chose the heads. */
  strategy: Strategy;
  /** Heads or neurons per layer, in the layers that the strategy uses; absent with `budget`. */
  k?: number;
  /** Maximum share of the parameters, above 0, at most 1. */
  budget?: number;
  /** Tuned matrices of each head, or `neurons`. */
  tune: Tune;
  /** Chosen heads, sorted by layer, then head; none with `neurons`. */
  heads: MaskHead[];
  /** Chosen neurons, sorted by layer, then index; absent if heads are tuned. */
  neurons?: MaskNeuron[];
  /** Number of trainable parameters, without the task head. */
  trainableParameters: number;
  /**
   * Number of the base model's parameters: pooler included, without a task head's other weights.
   */
  totalParameters: number;
  /** Share trainableParameters / totalParameters, 0 … 1. */
  share: number;
}

/** Size of a model, as far as it decides which heads and neurons there are. */
export interface HeadCounts {
  layers: number;
  /** Heads per layer. */
  heads: number;
  /** Absent if unknown. */
  neurons?: { perLayer: number };
}

/**
 * Checks a mask: it is of the model, and so are its heads or neurons; each comes once; it has
 * either k or a budget.
 *
 * @param model the mask's model; without it, what depends on a model is not checked
 * @param field name of the mask in errors; empty if the mask is the whole input
 * @returns the mask with its heads and neurons sorted by layer, then number
 * @throws HifiError INVALID_INPUT for its first wrong part
 */
export function checkedMask(mask: Mask, model?: HeadCounts & Mask['model'], field = 'mask'): Mask {
  const at = (part: string) => (field === '' ? part : `${field}.${part}`);
  const { sha256, name } = mask.model;
  if (model !== undefined && sha256 !== model.sha256) {
    const expected = `${versionOf(model)}: make the mask from this model's heads.json`;
    throw invalidValue({ field: at('model.sha256'), value: versionOf({ name, sha256 }), expected });
  }
  const { k, budget } = mask;
  if ((k === undefined) === (budget === undefined)) {
    const found = k === undefined ? 'there is neither k nor budget' : `k is ${k} and budget is ${budget}`;
    throw invalidPart(at('budget'), `${field === '' ? '' : `${field}: `}${found}; give one of them`);
  }
  const ofNeurons = mask.tune === 'neurons';
  if (k !== undefined && model !== undefined) {
    if (ofNeurons) checkIndex(k, (model.neurons?.perLayer ?? k) + 1, at('k'), neuronsOf(model));
    else checkIndex(k, model.heads + 1, at('k'), headsOf(model));
  }
  if (budget !== undefined && !(budget > 0 && budget <= 1)) {
    throw invalidValue({ field: at('budget'), value: String(budget), expected: 'above 0, at most 1' });
  }
  const wrong = ofNeurons ? mask.heads.length > 0 && 'heads' : (mask.neurons ?? []).length > 0 && 'neurons';
  if (wrong) throw invalidPart(at(wrong), `${at('tune')} is ${mask.tune}, so ${at(wrong)} must be empty`);
  const heads = checkedHeads(mask.heads, model, at('heads'));
  if (!ofNeurons) return { ...mask, heads };
  return { ...mask, heads, neurons: checkedNeurons(mask.neurons ?? [], model, at('neurons')) };
}

/**
 * Checks heads as {@link checkedMask} does.
 *
 * @returns them sorted by layer, then head
 */
export function checkedHeads(heads: readonly MaskHead[], model?: HeadCounts, field = 'mask.heads'): MaskHead[] {
  checkPlaces(
    heads.map(({ layer, head: number, score }) => ({ layer, number, score })),
    model && { layers: model.layers, count: model.heads, because: headsOf(model) },
    { field, name: 'head' },
  );
  return heads.toSorted((a, b) => a.layer - b.layer || a.head - b.head);
}

/**
 * Checks neurons as {@link checkedMask} does.
 *
 * @returns them sorted by layer, then index
 */
export function checkedNeurons(
  neurons: readonly MaskNeuron[],
  model?: Pick<HeadCounts, 'layers' | 'neurons'>,
  field = 'mask.neurons',
): MaskNeuron[] {
  const count = model?.neurons?.perLayer;
  checkPlaces(
    neurons.map(({ layer, index: number, score }) => ({ layer, number, score })),
    model && count !== undefined ? { layers: model.layers, count, because: neuronsOf(model) } : undefined,
    { field, name: 'index' },
  );
  return neurons.toSorted((a, b) => a.layer - b.layer || a.index - b.index);
}

/** @param model absent: only scores and repetitions are checked */
function checkPlaces(
  places: readonly { layer: number; number: number; score: number }[],
  model: { layers: number; count: number; because: string } | undefined,
  { field, name }: { field: string; name: string },
): void {
  const seen = new Map<string, number>();
  for (const [i, { layer, number, score }] of places.entries()) {
    const at = `${field}[${i}]`;
    if (model !== undefined) {
      checkIndex(layer, model.layers, `${at}.layer`, `the model has ${model.layers} layers`);
      checkIndex(number, model.count, `${at}.${name}`, model.because);
    }
    if (!Number.isFinite(score)) {
      throw invalidValue({ field: `${at}.score`, value: String(score), expected: 'a finite number' });
    }
    const before = seen.get(`${layer}.${number}`);
    if (before !== undefined) {
      const found = `layer ${layer}, ${name} ${number}, which ${field}[${before}] was already`;
      throw invalidPart(at, `${at} is ${found}; each must come once`);
    }
    seen.set(`${layer}.${number}`, i);
  }
}

const headsOf = ({ heads }: HeadCounts) => `a layer of the model has ${heads} heads`;

const neuronsOf = ({ neurons }: Pick<HeadCounts, 'neurons'>) =>
  `a layer of the model has ${neurons?.perLayer} feed-forward neurons`;

function checkIndex(index: number, count: number, field: string, because: string): void {
  if (Number.isInteger(index) && index >= 0 && index < count) return;
  throw invalidValue({ field, value: String(index), expected: `0 to ${count - 1}: ${because}` });
}

function versionOf({ name, sha256 }: Mask['model']): string {
  const short = sha256.length > 16 ? `${sha256.slice(0, 12)}…` : JSON.stringify(sha256);
  return name === '' ? short : `${short} (${name})`;
}
