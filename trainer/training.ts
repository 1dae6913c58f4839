import type { Target } from '../data/label-reading';
import { diverged } from '../foundation/errors';
import type { RowBatch } from './batch-parts';
import { learningRate } from './optimizer';
import type { Program } from './program';

/** How the steps of one run go. */
export interface Schedule {
  lr: number;
  warmup: number;
  weightDecay: number;
  /** Steps in all. */
  steps: number;
  seed: number;
}

/** What is trained, one step after the other. */
export class Training {
  constructor(
    private readonly program: Program,
    private readonly schedule: Schedule,
  ) {}

  /**
   * One step: loss, gradient, clipping, AdamW.
   *
   * @param targets B of them, or B/2 of pairs
   * @param step steps done before this one
   * @returns the batch's mean loss
   * @throws FAILED where loss or gradient is not finite; nothing was updated then
   */
  step(batch: RowBatch, targets: readonly Target[], step: number): number {
    const { lr, warmup, steps, weightDecay, seed } = this.schedule;
    const gradient = this.program.gradient(batch, targets, { seed, step });
    const { loss, norm } = gradient;
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      gradient.gradient.dispose();
      const what = Number.isFinite(loss) ? `the gradient's norm is ${norm}` : `the loss is ${loss}`;
      throw diverged(`step ${step + 1} of ${steps}: ${what}; a lower learning rate (now ${lr}) may help`);
    }
    this.program.update(gradient, { lr: learningRate(lr, warmup, step, steps), weightDecay, step });
    return loss;
  }
}
