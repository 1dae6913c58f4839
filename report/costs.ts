import { ARCHITECTURES } from '../model/architectures';
import type { ReportParts } from './parts';

/** The LoRA that is compared with: its rank, and how many matrices of a layer it adapts (query, key, value). */
const LORA = { rank: 8, matrices: 3 };
/** Bytes of a float32. */
const FLOAT = 4;

/** A way to tune the same model for the same task. */
export interface Cost {
  name: string;
  /** Trained numbers, task head included. */
  trained: number;
  /** Bytes of what is new: its files as measured, else float32 numbers. */
  resultBytes: number;
  measuredBytes: boolean;
  /** Weights, and a gradient and two moments for each trained number. */
  stateBytes: number;
  /** Multiply-adds a token and training step in the layers; null where none is run in an epoch. */
  multiplyAdds: number | null;
  /** A later epoch: measured, or in proportion to the multiply-adds. */
  epochSeconds: number | null;
  /** Highest memory of the processes, where it was measured. */
  peakBytes: number | null;
}

/** A run beside LoRA and full fine-tuning, which are computed from the shapes (`COST_NOTES` has the formulas). */
export function costs({ heads, mask, metrics, deltaBytes }: ReportParts): Cost[] {
  if (!mask || !metrics) return [];
  const { layers, hiddenSize: d, parameters } = heads.model;
  const { trainableParameters: tuned, taskHeadParameters: head } = metrics;
  const lowest = Math.min(layers, ...mask.heads.map(({ layer }) => layer));
  const layerNumbers = 12 * d * d;
  const adapters = layers * LORA.matrices * 2 * LORA.rank * d;
  // BERT's task head uses the base's pooler. Other task heads drop it: RoBERTa's has a layer of its
  // own.
  const one = { layers: 0, embeddingSize: 1, intermediateSize: 1, vocabSize: 1, positionRows: 1, typeVocabSize: 1 };
  const base = ARCHITECTURES.get(heads.model.architecture)?.tensors({ ...one, hiddenSize: d }) ?? [];
  const pooler = base.some(({ optional }) => optional) ? d * (d + 1) : 0;
  const own = tuned > 0 ? 2 * (layers - lowest) * layerNumbers + tuned : null;
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
    computed(`LoRA, r = ${LORA.rank}`, adapters + head, 2 * layers * layerNumbers + 3 * adapters),
    computed('full fine-tuning', parameters - pooler + head, 3 * layers * layerNumbers),
  ];
}

/** What the computed numbers leave out, with docs/measured.md's measurements beside them (MiniLM, k = 3). */
export const COST_GAP =
  "Multiply-adds leave out attention's own products, what moves through memory, the optimizer's pass, what this program saves in the last " +
  'layer, and how well a program uses the machine: on MiniLM they say 0.98 times a step of hifi for LoRA and 1.45 times for full ' +
  'fine-tuning, where PyTorch with PEFT took 1.62 to 2.11 times and 2.55 to 2.81 times as long.';

/** How the numbers of {@link costs} are computed. */
export const COST_NOTES: readonly [what: string, how: string][] = [
  [
    'trained numbers',
    "LoRA: L · 3 · 2 · r · d, a pair of matrices for each query, key and value, and the task head. Full: P without a pooler, and the task head, which is BERT's pooler and a classifier. P: all numbers of the base, d: hidden size, L: layers.",
  ],
  ['bytes of the result', '4 · T for T trained numbers in float32. Of this run: the size of its files.'],
  [
    'weights, gradients, moments',
    '4 · (P + 3 · T) bytes: the base, and a gradient and two Adam moments for each trained number. Activations come on top of it.',
  ],
  [
    'multiply-adds',
    'A token and step, in layers of 12 · d² numbers (a feed-forward layer of 4 · d). Forward and back through a layer: 2 · 12 · d²; a trained number adds 1, one of LoRA 3; full: 3 · 12 · d². Layers below the lowest tuned one are computed once and not counted; what the last layer saves is not counted in any column.',
  ],
  [
    'seconds an epoch',
    'Of this run: measured, the median. The others: that, times their multiply-adds, divided by those of this run. On other hardware and in other programs they differ.',
  ],
];

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? null : (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
