import type { Mask } from '../heads/mask';
import type { Checkpoint } from '../model/checkpoint';
import { Dropout, dropoutKey } from './dropout';
import { projectEmbeddings } from './embeddings';
import { Encoder } from './encoder';
import { runLayer } from './layer';
import { type ProblemKind, targetValues } from './loss';
import { assembleNetwork, differentiate, logitsOf } from './network';
import { Ops, type Tensor } from './ops';
import { adamW, globalNorm, UPDATE_FACTORS, type UpdateOptions, updateFactors } from './optimizer';
import type { ParameterLayout } from './parameters';
import { type Feed, type Held, Session, type TensorFlow } from './session';
import { taskHeadNames } from './task-head';

/**
 * Most tokens, padding included, that run through the network at once; a longer batch runs in parts whose gradients add up. It
 * bounds the memory whatever the batch size, and costs nothing: at 16 × 128 tokens one part takes as long as two.
 */
const MICRO_BATCH_TOKENS = 1024;

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
  /** Whether nothing frozen stands between the embeddings and the tuned part. */
  readonly readsEmbeddings: boolean;
  private readonly session: Session;
  private readonly inputs: Record<
    'embedded' | 'hidden' | 'mask' | 'parameters' | 'firstMoment' | 'secondMoment',
    Tensor
  >;
  private readonly training: Record<'targets' | 'count' | 'dropoutKey' | 'gradient' | 'factors', Tensor>;
  private readonly ends: { frozen: Tensor; logits: Tensor; gradient: Tensor[]; update: Tensor[] };

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
      embedded: ops.input('embedded', 'float32', [null, config.embeddingSize]),
      hidden: ops.input('hidden', 'float32', [null, config.hiddenSize]),
      mask: ops.input('mask', 'float32', [null, 1, 1, null]),
      parameters: vector('parameters'),
      firstMoment: vector('firstMoment'),
      secondMoment: vector('secondMoment'),
    };
    const training = {
      targets: ops.input('targets', 'float32', [null, outputs]),
      count: ops.input('count', 'float32', []),
      dropoutKey: ops.input('dropoutKey', 'int32', [1]),
      gradient: vector('gradient'),
      factors: ops.input('factors', 'float32', [UPDATE_FACTORS]),
    };
    const encoder = new Encoder(ops, checkpoint, mask);

    let frozen = projectEmbeddings(ops, checkpoint, inputs.embedded);
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
      training.count,
      problem,
      dropout,
    );
    const gradient = ops.add(training.gradient, layout.join(ops, gradients));
    const norm = globalNorm(ops, training.gradient);
    const next = adamW(ops, inputs, training.gradient, norm, training.factors, layout.decayed);

    this.lowest = encoder.lowest;
    this.readsEmbeddings = frozen === inputs.embedded;
    this.inputs = inputs;
    this.training = training;
    const update = [norm, next.parameters, next.firstMoment, next.secondMoment];
    this.ends = { frozen, logits, gradient: [loss, gradient], update };
    this.session = new Session(tf, ops);
  }

  /**
   * What the embeddings' projection and the layers below the lowest tuned one put out, as in evaluation; position 0 alone
   * where no layer is tuned.
   * @param embedded the embeddings, of their own width // [B·S, E]
   * @returns [B·S, d]
   */
  frozen(embedded: HiddenBatch): Float32Array {
    return joined(
      this.microBatches(embedded).map((part) =>
        this.session.read(this.feeds(part, this.inputs.embedded), this.ends.frozen),
      ),
    );
  }

  /** Logits as in evaluation. // → [B, C] */
  logits(parameters: Held, batch: HiddenBatch): Float32Array {
    const feed = [this.inputs.parameters, parameters] as const;
    const parts = this.microBatches(batch);
    return joined(parts.map((part) => this.session.read([...this.feeds(part), feed], this.ends.logits)));
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
    const { inputs, training, session } = this;
    const { loss, gradient } = this.gradient(state.parameters, batch, targets, options);
    const [norm, parameters, firstMoment, secondMoment] = session.run(
      [
        [inputs.parameters, state.parameters],
        [inputs.firstMoment, state.firstMoment],
        [inputs.secondMoment, state.secondMoment],
        [training.gradient, gradient],
        [training.factors, { values: updateFactors(options), shape: [UPDATE_FACTORS] }],
      ],
      this.ends.update,
    );
    gradient.dispose();
    return { loss, norm: taken(norm), next: { parameters, firstMoment, secondMoment } };
  }

  /**
   * The batch's mean loss and its gradient by all that is trained; the gradient is the caller's to dispose of. // [], [P]
   * @param targets class indices, or numbers; B of them
   */
  gradient(
    parameters: Held,
    batch: HiddenBatch,
    targets: ArrayLike<number>,
    { seed, step }: Pick<StepOptions, 'seed' | 'step'>,
  ): { loss: number; gradient: Held } {
    const { inputs, training, session } = this;
    const { outputs, problem, layout } = this.parts;
    const values = targetValues(targets, outputs, problem);
    let gradient = this.hold(new Float32Array(layout.size));
    let loss = 0;
    let row = 0;
    for (const [i, part] of this.microBatches(batch).entries()) {
      const wanted = values.subarray(row * outputs, (row + part.B) * outputs);
      const [partLoss, sum] = session.run(
        [
          ...this.feeds(part),
          [inputs.parameters, parameters],
          [training.gradient, gradient],
          [training.targets, { values: wanted, shape: [part.B, outputs] }],
          [training.count, { values: Float32Array.of(batch.B), shape: [] }],
          [training.dropoutKey, { values: dropoutKey(seed, step, i), shape: [1] }],
        ],
        this.ends.gradient,
      );
      gradient.dispose();
      gradient = sum;
      loss += taken(partLoss);
      row += part.B;
    }
    return { loss, gradient };
  }

  /** A vector of all trained numbers in the engine; the caller's to dispose of. // [P] */
  hold(values: Float32Array): Held {
    return this.session.hold(values, [this.parts.layout.size]);
  }

  close(): void {
    this.session.close();
  }

  /** The batch in parts of whole rows, as equal as can be. */
  private microBatches({ hidden, mask, B, S }: HiddenBatch): HiddenBatch[] {
    const parts = Math.ceil(B / Math.max(1, Math.floor(MICRO_BATCH_TOKENS / S)));
    const rows = Math.ceil(B / parts);
    const width = hidden.length / B;
    return Array.from({ length: Math.ceil(B / rows) }, (_, i) => {
      const [from, to] = [i * rows, Math.min(B, (i + 1) * rows)];
      return {
        hidden: hidden.subarray(from * width, to * width),
        mask: mask.subarray(from * S, to * S),
        B: to - from,
        S,
      };
    });
  }

  private feeds({ hidden, mask, B, S }: HiddenBatch, input = this.inputs.hidden): [Tensor, Feed][] {
    return [
      [input, { values: hidden, shape: [B * S, hidden.length / (B * S)] }],
      [this.inputs.mask, { values: mask, shape: [B, 1, 1, S] }],
    ];
  }
}

/** The only number of a tensor, which is done with. */
function taken(held: Held): number {
  const [value] = held.values();
  held.dispose();
  return value;
}

/** Parts of an array, end to end. */
function joined(parts: Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0];
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
