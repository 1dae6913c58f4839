import { PROBLEMS } from '../delta/problems';
import type { TaskHeadKind } from '../model/architecture';
import { ARCHITECTURES } from '../model/architectures';
import { problemOfRun, type ReportParts } from './parts';

/** Rank of the cost table's LoRA, which adapts the matrices of queries, keys and values. */
const RANK = 8;
/** Bytes of a float32. */
const FLOAT = 4;

/** Cost of a way to tune the same model for the same task. */
export interface Cost {
  name: string;
  /** Trainable parameters, task head included. */
  trained: number;
  /** Bytes of the result: file sizes if measured, else float32 numbers. */
  resultBytes: number;
  measuredBytes: boolean;
  /** Bytes of the weights, and of a gradient and two moments per trainable parameter. */
  stateBytes: number;
  /** Multiply-adds per token and training step in the layers; null if an epoch runs no layer. */
  multiplyAdds: number | null;
  /** Seconds of a later epoch: measured, or in proportion to the multiply-adds. */
  epochSeconds: number | null;
  /** Peak memory of the processes, if measured. */
  peakBytes: number | null;
}

/** Costs of a run, of LoRA and of full fine-tuning. {@link costFormulas} explains them. */
export function costs({ heads, mask, metrics, deltaBytes }: ReportParts): Cost[] {
  if (!mask || !metrics) return [];
  const { layers, hiddenSize: d, parameters } = heads.model;
  const { trainableParameters: tuned, taskHeadParameters: head } = metrics;
  const lowest = [...mask.heads, ...(mask.neurons ?? [])].reduce((least, { layer }) => Math.min(least, layer), layers);
  const { matrices, projections } = heads.model.layerParameters ?? { matrices: 12 * d * d, projections: 6 * d };
  const adapters = layers * RANK * projections;
  // BERT's and ModernBERT's task heads use the base's pooler. RoBERTa's has its own layer.
  const one = {
    layers: 0,
    heads: 1,
    keyValueHeads: 1,
    headDim: 1,
    raw: {},
    embeddingSize: 1,
    intermediateSize: 1,
    vocabSize: 1,
    positionRows: 1,
    typeVocabSize: 1,
  };
  const base = ARCHITECTURES.get(heads.model.architecture)?.tensors({ ...one, hiddenSize: d }) ?? [];
  const pooler = base
    .filter(({ optional }) => optional)
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const own = tuned > 0 ? 2 * (layers - lowest) * matrices + tuned : null;
  const seconds = median(metrics.epochs.map((epoch) => epoch.seconds));
  const like = (multiplyAdds: number) => (own === null || seconds === null ? null : (seconds * multiplyAdds) / own);
  const state = (trained: number) => FLOAT * (parameters + 3 * trained);
  const computed = (name: string, trained: number, multiplyAdds: number): Cost => ({
    ...{ name, trained, multiplyAdds, epochSeconds: like(multiplyAdds) },
    ...{ resultBytes: FLOAT * trained, measuredBytes: false, stateBytes: state(trained), peakBytes: null },
  });
  return [
    {
      name: 'this run',
      trained: tuned + head,
      resultBytes: deltaBytes ?? FLOAT * (tuned + head),
      measuredBytes: deltaBytes !== undefined,
      stateBytes: state(tuned + head),
      multiplyAdds: own,
      epochSeconds: seconds,
      peakBytes: metrics.peakRssBytes,
    },
    computed(`LoRA, r = ${RANK}`, adapters + head, 2 * layers * matrices + 3 * adapters),
    computed('full fine-tuning', parameters - pooler + head, 3 * layers * matrices),
  ];
}

/** Limits of the computed numbers, with the measured ratios of docs/measured.md (MiniLM, k = 3). */
export const COST_GAP =
  "Multiply-adds omit attention's own products, memory traffic, the optimizer's pass, what this program saves in the last " +
  'layer, and how well a program uses the machine. On MiniLM they predict 0.98 times a step of hifi for LoRA and 1.45 times for full ' +
  'fine-tuning; PyTorch with PEFT took 1.42 to 1.69 times and 1.90 to 2.24 times as long.';

/** Task head of BERT, for the formulas. */
const TASK_HEADS: Readonly<Record<TaskHeadKind, string>> = {
  sequence: 'its pooler and a classifier',
  token: 'a classifier alone',
};

/** Formulas of {@link costs}, each after the name of its quantity. */
export const costFormulas = (parts: ReportParts): [what: string, how: string][] => [
  [
    'trainable parameters',
    `LoRA: L · r · (inputs + outputs of the matrices that give queries, keys and values), and the task head; in BERT L · r · 6 · d. Full: P without a pooler, and the task head, in BERT ${TASK_HEADS[PROBLEMS[problemOfRun(parts)].taskHead]}. P: parameters of the base, d: hidden size, L: layers.`,
  ],
  ['bytes of the result', '4 · T for T trainable parameters in float32. For this run: the size of its files.'],
  [
    'weights, gradients, moments',
    '4 · (P + 3 · T) bytes: the base, and a gradient and two Adam moments per trainable parameter. Activations are not included.',
  ],
  [
    'multiply-adds',
    "Per token and step. M: weights of a layer's matrices, in BERT 12 · d². Forward and back through a layer: 2 · M. A trainable parameter adds 1, one of LoRA 3. Full: 3 · L · M. Layers below the lowest tuned one are computed once and not counted. Savings in the last layer are not counted in any column.",
  ],
  [
    'seconds per epoch',
    'This run: the measured median. Others: that median times the ratio of the multiply-adds. Other hardware and programs differ.',
  ],
];

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? null : (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
