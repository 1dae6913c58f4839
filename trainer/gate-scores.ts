import { lengthsOf, likeLengthBatches } from '../data/batches';
import { PROBLEMS } from '../delta/problems';
import type { ScoreEvent } from '../delta/score-options';
import type { PerHead } from '../heads/head-report';
import type { ModelConfig } from '../model/architecture';
import { trainedGates } from './network';
import { ParameterLayout } from './parameters';
import { FreshRows } from './prefix';
import { Program } from './program';
import {
  afterSteps,
  type HeadValues,
  type Scored,
  type ScoredRows,
  type Scoring,
  type WholeTraining,
  withoutDropout,
  withoutError,
} from './scoring';
import { TASK_HEAD_ALONE } from './sequence-gradients';
import { trainable } from './trainable';

/** Schedule of the gates, and the factor of their L1 term: those of LoFiT's published runs. */
const GATE_TRAINING = { passes: 5, batchSize: 8, lr: 1e-3, l1: 1e-3, warmup: 0.06, weightDecay: 0 };

/**
 * Strategy `gate`: a gate per head multiplies O_h before W_O. All gates start at 1 and are trained
 * together, with the task head after its warm-up, on the loss plus λ·Σ |gate − 1|. A head's score
 * is |gate − 1|. LoFiT chooses the heads of a decoder so (Yin et al., NeurIPS 2024, arXiv
 * 2406.01563, §3).
 */
export async function* gateScores(
  scoring: Scoring,
  rows: ScoredRows,
  head: HeadValues,
): AsyncGenerator<ScoreEvent, Scored> {
  const training = gateTraining(scoring, rows, head, GATE_TRAINING.l1);
  const { passes, batchSize } = GATE_TRAINING;
  const batches = Array.from({ length: passes }, (_, epoch) =>
    likeLengthBatches(lengthsOf(rows.encoded), { batchSize, seed: scoring.seed, epoch }),
  ).flat();
  try {
    const after = yield* afterSteps(scoring, training, rows, { ...GATE_TRAINING, batches });
    return withoutError(gateOffsets(scoring.checkpoint.config, training.layout, after));
  } finally {
    training.program.close();
  }
}

/** Creates a training of all gates and the given task head. The caller closes the program. */
export function gateTraining(scoring: Scoring, rows: ScoredRows, head: HeadValues, l1: number): WholeTraining {
  const { tf, tokens, outputs, objective, seed } = scoring;
  const checkpoint = withoutDropout(scoring.checkpoint);
  const { layers, heads } = checkpoint.config;
  const { taskHead } = PROBLEMS[objective.problem];
  const gates = Array.from({ length: layers }, (_, layer) => ({ name: trainedGates(layer), shape: [heads] }));
  const { slots } = trainable(checkpoint, TASK_HEAD_ALONE, outputs, seed, taskHead).layout;
  const layout = new ParameterLayout([...slots, ...gates]);
  const initial = layout.gather(({ name, size }) => head.get(name) ?? new Float32Array(size));
  const factors = layout.gather(({ name, size }) => new Float32Array(size).fill(head.has(name) ? 0 : l1));
  const parts = { checkpoint, tuning: TASK_HEAD_ALONE, layout, outputs, objective };
  const program = new Program(tf, { ...parts, gates: 'trained', l1: factors }, initial);
  return { program, layout, initial, hidden: new FreshRows({ program, checkpoint, tokens }, rows.encoded) };
}

/** |gate − 1| of each head. // [P] → [L][H] */
export function gateOffsets(
  { layers }: Pick<ModelConfig, 'layers'>,
  layout: ParameterLayout,
  values: Float32Array,
): PerHead {
  const views = layout.views(values);
  return Array.from({ length: layers }, (_, layer) => Array.from(views.get(trainedGates(layer))!.values, Math.abs));
}
