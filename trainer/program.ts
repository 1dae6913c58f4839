import type { Mask } from '../heads/mask';
import type { Checkpoint } from '../model/checkpoint';
import { Dropout, dropoutKey } from './dropout';
import { Encoder } from './encoder';
import { runLayer } from './layer';
import { type ProblemKind, targetValues } from './loss';
import { assembleNetwork, differentiate, logitsOf } from './network';
import { Ops, type Tensor } from './ops';
import { adamW, globalNorm, UPDATE_FACTORS, type UpdateOptions, updateFactors } from './optimizer';
import type { ParameterLayout } from './parameters';
import { type Feed, type Held, Session, type TensorFlow } from './session';
import { taskHeadNames } from './task-head';

/** A batch as the tuned layers take it. */
export interface HiddenBatch {
  hidden: Float32Array; // [B·S, d]
  mask: Float32Array; // [B, 1, 1, S]
  B: number;
  S: number;
}

/** The trained numbers and their two moments in the engine, `[P]` each. */
export interface HeldState {
  parameters: Held;
  firstMoment: Held;
  secondMoment: Held;
}

/** What is asked of one step besides the batch. */
export interface StepOptions extends UpdateOptions {
  seed: number;
}

/** What the network is made of. */
export interface ProgramParts {
  checkpoint: Checkpoint;
  mask: Pick<Mask, 'heads' | 'tune'>;
  layout: ParameterLayout;
  /** Logits a row. */
  outputs: number;
  problem: ProblemKind;
}

/**
 * The whole network as one graph in the engine, with three ends to it: what the frozen layers below the lowest tuned one put
 * out, logits, and a training step. A run of one end computes nothing of the others.
 */
export class Program {
  /** The lowest layer with a tuned head; the number of layers where there is none. */
  readonly lowest: number;
  private readonly session: Session;
  private readonly inputs: Record<'hidden' | 'mask' | 'parameters' | 'firstMoment' | 'secondMoment', Tensor>;
  private readonly training: Record<'targets' | 'factors' | 'dropoutKey', Tensor>;
  private readonly ends: { frozen: Tensor; logits: Tensor; step: Tensor[] };

  /** Holds the base's layers until {@link Program.close}. */
  constructor(
    tf: TensorFlow,
    private readonly parts: ProgramParts,
  ) {
    const { checkpoint, mask, layout, outputs, problem } = parts;
    const { config } = checkpoint;
    const ops = new Ops();
    const vector = (name: string) => ops.input(name, 'float32', [layout.size]);
    const inputs = {
      hidden: ops.input('hidden', 'float32', [null, config.hiddenSize]),
      mask: ops.input('mask', 'float32', [null, 1, 1, null]),
      parameters: vector('parameters'),
      firstMoment: vector('firstMoment'),
      secondMoment: vector('secondMoment'),
    };
    const training = {
      targets: ops.input('targets', 'float32', [null, outputs]),
      factors: ops.input('factors', 'float32', [UPDATE_FACTORS]),
      dropoutKey: ops.input('dropoutKey', 'int32', [1]),
    };
    const encoder = new Encoder(ops, checkpoint, mask);

    let frozen = inputs.hidden;
    encoder.assemble(new Map(), 0, encoder.lowest).forEach((layer, i) => {
      frozen = runLayer(ops, frozen, inputs.mask, layer, i === config.layers - 1).output;
    });
    const network = assembleNetwork(config, encoder, taskHeadNames(config), layout.split(ops, inputs.parameters));
    const logits = logitsOf(ops, network, inputs.hidden, inputs.mask);
    const dropout = new Dropout(training.dropoutKey);
    const { loss, gradients } = differentiate(
      ops,
      network,
      inputs.hidden,
      inputs.mask,
      training.targets,
      problem,
      dropout,
    );
    const gradient = layout.join(ops, gradients);
    const norm = globalNorm(ops, gradient);
    const next = adamW(ops, inputs, gradient, norm, training.factors, layout.decayed);

    this.lowest = encoder.lowest;
    this.inputs = inputs;
    this.training = training;
    this.ends = { frozen, logits, step: [loss, norm, next.parameters, next.firstMoment, next.secondMoment] };
    this.session = new Session(tf, ops);
  }

  /**
   * What the layers below the lowest tuned one put out, as in evaluation; position 0 alone where no layer is tuned.
   * @param embedded the embeddings' output
   * @returns [B·S, d]
   */
  frozen(embedded: HiddenBatch): Float32Array {
    return this.session.read(this.batchFeeds(embedded), this.ends.frozen);
  }

  /** Logits as in evaluation. // → [B, C] */
  logits(parameters: Held, batch: HiddenBatch): Float32Array {
    return this.session.read([...this.batchFeeds(batch), [this.inputs.parameters, parameters]], this.ends.logits);
  }

  /**
   * One step forward, back and on: AdamW.
   * @param targets class indices, or numbers; B of them
   * @returns the batch's mean loss, the gradient's norm and the next state; the state that went in is left alone
   */
  step(
    state: HeldState,
    batch: HiddenBatch,
    targets: ArrayLike<number>,
    options: StepOptions,
  ): { loss: number; norm: number; next: HeldState } {
    const { outputs, problem } = this.parts;
    const values = targetValues(targets, outputs, problem);
    const [loss, norm, parameters, firstMoment, secondMoment] = this.session.run(
      [
        ...this.batchFeeds(batch),
        [this.inputs.parameters, state.parameters],
        [this.inputs.firstMoment, state.firstMoment],
        [this.inputs.secondMoment, state.secondMoment],
        [this.training.targets, { values, shape: [batch.B, outputs] }],
        [this.training.factors, { values: updateFactors(options), shape: [UPDATE_FACTORS] }],
        [this.training.dropoutKey, { values: dropoutKey(options.seed, options.step), shape: [1] }],
      ],
      this.ends.step,
    );
    const number = (held: Held) => {
      const [value] = held.dataSync();
      held.dispose();
      return value;
    };
    return { loss: number(loss), norm: number(norm), next: { parameters, firstMoment, secondMoment } };
  }

  /** A vector of all trained numbers in the engine; the caller's to dispose of. // [P] */
  hold(values: Float32Array): Held {
    return this.session.hold(values, [this.parts.layout.size]);
  }

  close(): void {
    this.session.close();
  }

  private batchFeeds({ hidden, mask, B, S }: HiddenBatch): [Tensor, Feed][] {
    return [
      [this.inputs.hidden, { values: hidden, shape: [B * S, this.parts.checkpoint.config.hiddenSize] }],
      [this.inputs.mask, { values: mask, shape: [B, 1, 1, S] }],
    ];
  }
}
