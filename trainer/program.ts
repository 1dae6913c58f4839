import type { Mask } from '../heads/mask';
import type { Checkpoint } from '../model/checkpoint';
import { Dropout, dropoutKey } from './dropout';
import { projectEmbeddings } from './embeddings';
import { Encoder } from './encoder';
import { runLayer } from './layer';
import { type ProblemKind, targetValues } from './loss';
import { assembleNetwork, differentiate, logitsOf } from './network';
import { Ops, type Tensor, type Variable } from './ops';
import { adamW, globalNorm, type OptimizerState, UPDATE_FACTORS, type UpdateOptions, updateFactors } from './optimizer';
import type { ParameterLayout } from './parameters';
import { type Feed, type Held, Session, type TensorFlow } from './session';
import { taskHeadNames } from './task-head';
import { TOKEN_NUMBERS } from './trained-embeddings';

/**
 * Most tokens, padding included, that run through the network at once; a longer batch runs in parts whose gradients add up. It
 * bounds the memory whatever the batch size, and costs nothing: at 16 × 128 tokens one part takes as long as two.
 */
const MICRO_BATCH_TOKENS = 1024;

/** A batch as the tuned layers take it. */
export interface HiddenBatch {
  /** What the frozen part put out; where nothing is frozen the tokens' numbers. */
  hidden: Float32Array; // [B·S, d] or [B·S, 3]
  mask: Float32Array; // [B, 1, 1, S]
  B: number;
  S: number;
}

/** The trained numbers and their two moments, `[P]` each. */
export interface TrainingState {
  parameters: Float32Array;
  firstMoment: Float32Array;
  secondMoment: Float32Array;
}

/** A batch's mean loss, its gradient by all that is trained, and the gradient's Euclidean norm. */
export interface BatchGradient {
  loss: number;
  norm: number;
  /** The caller's to dispose of. // [P] */
  gradient: Held;
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
 * The whole network as one graph in the engine, with four ends to it: what the frozen layers below the lowest tuned one put
 * out, logits, the gradient, and an update along it. A run of one end computes nothing of the others.
 */
export class Program {
  /** The lowest layer with a tuned head; the number of layers where there is none. */
  readonly lowest: number;
  /** Whether nothing frozen stands between the embeddings and the tuned part. */
  readonly readsEmbeddings: boolean;
  private readonly session: Session;
  private readonly inputs: Record<'embedded' | 'hidden' | 'mask', Tensor>;
  private readonly training: Record<'targets' | 'count' | 'dropoutKey' | 'gradient' | 'factors', Tensor>;
  private readonly state: OptimizerState;
  private readonly ends: {
    frozen: Tensor;
    logits: Tensor;
    /** Loss, norm, gradient; and the same with the gradient so far added. */
    gradient: Tensor[];
    furtherGradient: Tensor[];
    update: Tensor;
    decayingUpdate: Tensor;
  };

  /**
   * Holds the base's layers and 3·P numbers until {@link Program.close}.
   * @param initial the trained numbers // [P]
   */
  constructor(
    tf: TensorFlow,
    private readonly parts: ProgramParts,
    initial: Float32Array,
  ) {
    const { checkpoint, mask, layout, outputs, problem } = parts;
    const { config } = checkpoint;
    const ops = new Ops();
    const vector = (name: string, values: Float32Array = new Float32Array(layout.size)) =>
      ops.variable(name, [layout.size], () => values);
    const inputs = {
      embedded: ops.input('embedded', 'float32', [null, config.embeddingSize]),
      hidden: ops.input('hidden', 'float32', [null, mask.tune === 'full' ? TOKEN_NUMBERS : config.hiddenSize]),
      mask: ops.input('mask', 'float32', [null, 1, 1, null]),
    };
    const state = {
      parameters: vector('parameters', initial),
      firstMoment: vector('firstMoment'),
      secondMoment: vector('secondMoment'),
    };
    const training = {
      targets: ops.input('targets', 'float32', [null, outputs]),
      count: ops.input('count', 'float32', []),
      dropoutKey: ops.input('dropoutKey', 'int32', [1]),
      gradient: ops.input('gradient', 'float32', [layout.size]),
      factors: ops.input('factors', 'float32', [UPDATE_FACTORS]),
    };
    const encoder = new Encoder(ops, checkpoint, mask);

    let frozen = encoder.tunesAll ? inputs.embedded : projectEmbeddings(ops, checkpoint, inputs.embedded);
    encoder.assemble(new Map(), 0, encoder.lowest).forEach((layer, i) => {
      frozen = runLayer(ops, frozen, inputs.mask, layer, i === config.layers - 1).output;
    });
    const network = assembleNetwork(config, encoder, taskHeadNames(config), layout.split(ops, state.parameters.value));
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
    const gradient = layout.join(ops, gradients);
    const sum = ops.add(training.gradient, gradient);

    this.lowest = encoder.lowest;
    this.readsEmbeddings = frozen === inputs.embedded;
    this.inputs = inputs;
    this.training = training;
    this.state = state;
    this.ends = {
      frozen,
      logits,
      gradient: [loss, globalNorm(ops, gradient), gradient],
      furtherGradient: [loss, globalNorm(ops, sum), sum],
      update: adamW(ops, state, training.gradient, training.factors, 0),
      decayingUpdate: adamW(ops, state, training.gradient, training.factors, layout.decayed),
    };
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
  logits(batch: HiddenBatch): Float32Array {
    return joined(this.microBatches(batch).map((part) => this.session.read(this.feeds(part), this.ends.logits)));
  }

  /**
   * The way forward and back with dropout; nothing is updated.
   * @param targets class indices, or numbers; B of them
   */
  gradient(batch: HiddenBatch, targets: ArrayLike<number>, at: { seed: number; step: number }): BatchGradient {
    const { training, session, ends } = this;
    const { outputs, problem } = this.parts;
    const values = targetValues(targets, outputs, problem);
    let sum: BatchGradient | undefined;
    let row = 0;
    for (const [i, part] of this.microBatches(batch).entries()) {
      const wanted = values.subarray(row * outputs, (row + part.B) * outputs);
      const feeds: [Tensor, Feed][] = [
        ...this.feeds(part),
        [training.targets, { values: wanted, shape: [part.B, outputs] }],
        [training.count, { values: Float32Array.of(batch.B), shape: [] }],
        [training.dropoutKey, { values: dropoutKey(at.seed, at.step, i), shape: [1] }],
      ];
      const [loss, norm, gradient] = sum
        ? session.run([...feeds, [training.gradient, sum.gradient]], ends.furtherGradient)
        : session.run(feeds, ends.gradient);
      sum?.gradient.dispose();
      sum = { loss: (sum?.loss ?? 0) + only(loss), norm: only(norm), gradient };
      row += part.B;
    }
    return sum as BatchGradient;
  }

  /** One step of AdamW along a gradient, which is disposed of. */
  update({ gradient, norm }: BatchGradient, options: UpdateOptions): void {
    const factors = { values: updateFactors(options, norm), shape: [UPDATE_FACTORS] };
    const feeds = [
      [this.training.gradient, gradient],
      [this.training.factors, factors],
    ] as const;
    const end = options.weightDecay === 0 ? this.ends.update : this.ends.decayingUpdate;
    const [done] = this.session.run(feeds, [end]);
    done.dispose();
    gradient.dispose();
  }

  /** The trained numbers and their moments as they are now. */
  read(): TrainingState {
    const value = (variable: Variable) => this.session.read([], variable.value);
    const { parameters, firstMoment, secondMoment } = this.state;
    return { parameters: value(parameters), firstMoment: value(firstMoment), secondMoment: value(secondMoment) };
  }

  /** Goes on from other trained numbers and moments. */
  write({ parameters, firstMoment, secondMoment }: TrainingState): void {
    this.session.assign([
      [this.state.parameters, parameters],
      [this.state.firstMoment, firstMoment],
      [this.state.secondMoment, secondMoment],
    ]);
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
function only(held: Held): number {
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
