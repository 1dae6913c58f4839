import type { Tensor } from '@tensorflow/tfjs-node';
import { failed } from '../errors';
import type { Checkpoint } from '../model/checkpoint';
import { Dropout } from './dropout';
import type { Encoder } from './encoder';
import type { ProblemKind } from './loss';
import { assembleNetwork, differentiate, type TunedNetwork } from './network';
import type { Ops } from './ops';
import { adamW, globalNorm, learningRate, type OptimizerState } from './optimizer';
import type { ParameterLayout } from './parameters';
import type { HiddenBatch } from './prefix';
import type { TaskHeadNames } from './task-head';

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
  private state: OptimizerState;

  constructor(
    private readonly ops: Ops,
    private readonly checkpoint: Checkpoint,
    private readonly encoder: Encoder,
    private readonly headNames: TaskHeadNames,
    private readonly layout: ParameterLayout,
    private readonly schedule: Schedule,
    start: TrainingState,
  ) {
    const upload = (values: Float32Array) => ops.floats(values.slice(), [layout.size]);
    this.state = {
      parameters: upload(start.parameters),
      firstMoment: upload(start.firstMoment),
      secondMoment: upload(start.secondMoment),
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
  step(batch: HiddenBatch, targets: ArrayLike<number>, problem: ProblemKind, step: number): number {
    const { ops, layout, schedule } = this;
    const [next, loss] = ops.tidy((): [OptimizerState, number] => {
      const { loss, gradients } = differentiate(
        ops,
        this.network(this.state.parameters),
        this.headNames,
        batch,
        targets,
        problem,
        new Dropout(schedule.seed, step),
      );
      const gradient = layout.join(ops, gradients);
      const norm = globalNorm(ops, gradient).dataSync()[0];
      const value = loss.dataSync()[0];
      if (!Number.isFinite(value) || !Number.isFinite(norm)) {
        const what = Number.isFinite(value) ? `the gradient's norm is ${norm}` : `the loss is ${value}`;
        throw failed(
          `step ${step + 1} of ${schedule.steps}: ${what}; a lower learning rate (now ${schedule.lr}) may help`,
        );
      }
      const { lr, warmup, steps, weightDecay } = schedule;
      const options = { lr: learningRate(lr, warmup, step, steps), weightDecay, decayed: layout.decayed, step };
      return [adamW(ops, this.state, gradient, norm, options), value];
    });
    ops.dispose(this.state);
    this.state = next;
    return loss;
  }

  /** The network with the numbers as they are now, or with others; for the `tidy` that is open. */
  network(parameters: Tensor = this.state.parameters): TunedNetwork {
    return assembleNetwork(
      this.checkpoint.config,
      this.encoder,
      this.headNames,
      this.layout.split(this.ops, parameters),
    );
  }

  /** The numbers as they are now. */
  read(): TrainingState {
    const values = (tensor: Tensor) => (tensor.dataSync() as Float32Array).slice();
    return {
      parameters: values(this.state.parameters),
      firstMoment: values(this.state.firstMoment),
      secondMoment: values(this.state.secondMoment),
    };
  }

  dispose(): void {
    this.ops.dispose(this.state);
  }
}
