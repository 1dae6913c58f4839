import { failed } from '../errors';
import { learningRate } from './optimizer';
import type { HeldState, HiddenBatch, Program } from './program';

/** How the steps of one run go. */
export interface Schedule {
  lr: number;
  warmup: number;
  weightDecay: number;
  /** Steps in all. */
  steps: number;
  seed: number;
}

/** The trained numbers and their moments on this side, `[P]` each. */
export interface TrainingState {
  parameters: Float32Array;
  firstMoment: Float32Array;
  secondMoment: Float32Array;
}

/** What is trained, one step after the other. Holds 3·P numbers in the engine until {@link Training.dispose}. */
export class Training {
  private state: HeldState;

  constructor(
    private readonly program: Program,
    private readonly schedule: Schedule,
    start: TrainingState,
  ) {
    this.state = {
      parameters: program.hold(start.parameters),
      firstMoment: program.hold(start.firstMoment),
      secondMoment: program.hold(start.secondMoment),
    };
  }

  /**
   * One step: loss, gradient, clipping, AdamW.
   *
   * @param targets class indices, or numbers; B of them
   * @param step steps done before this one
   * @returns the batch's mean loss
   * @throws FAILED where loss or gradient is not finite; nothing was updated then
   */
  step(batch: HiddenBatch, targets: ArrayLike<number>, step: number): number {
    const { lr, warmup, steps, weightDecay, seed } = this.schedule;
    const options = { lr: learningRate(lr, warmup, step, steps), weightDecay, step, seed };
    const { loss, norm, next } = this.program.step(this.state, batch, targets, options);
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      release(next);
      const what = Number.isFinite(loss) ? `the gradient's norm is ${norm}` : `the loss is ${loss}`;
      throw failed(`step ${step + 1} of ${steps}: ${what}; a lower learning rate (now ${lr}) may help`);
    }
    release(this.state);
    this.state = next;
    return loss;
  }

  /** Logits of a batch with the numbers as they are now, as in evaluation. // → [B, C] */
  logits(batch: HiddenBatch): Float32Array {
    return this.program.logits(this.state.parameters, batch);
  }

  /** The numbers as they are now. */
  read(): TrainingState {
    const { parameters, firstMoment, secondMoment } = this.state;
    return {
      parameters: parameters.values(),
      firstMoment: firstMoment.values(),
      secondMoment: secondMoment.values(),
    };
  }

  dispose(): void {
    release(this.state);
  }
}

function release({ parameters, firstMoment, secondMoment }: HeldState): void {
  for (const held of [parameters, firstMoment, secondMoment]) held.dispose();
}
