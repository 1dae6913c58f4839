import type { Tuning } from '../delta/tuning';
import { concatenated } from '../foundation/concatenated';
import type { HeadPlace } from '../heads/head-groups';
import type { ModelConfig, Readout } from '../model/architecture';
import { architectureOf, runLayers } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { Dropout, dropoutKey } from './dropout';
import { lossCount, type NetworkObjective, type NetworkTarget, targetValues, taskLoss } from './loss';
import { TensorFlowNetwork, TOKEN_NUMBERS } from './network';
import { endOf } from './network-end';
import { NetworkWeights } from './network-weights';
import { Ops, type Tensor, type Variable } from './ops';
import { adamW, globalNorm, type OptimizerState, UPDATE_FACTORS, type UpdateOptions, updateFactors } from './optimizer';
import type { ParameterLayout } from './parameters';
import { type Feed, Session, type TensorFlow, type TensorHandle } from './session';

/**
 * Largest number of tokens, with padding, that run through the network at once. A longer batch runs
 * in parts whose gradients add up. This bounds the memory for any batch size at no cost: 16 × 128
 * tokens take as long in one part as in two.
 */
const MICRO_BATCH_TOKENS = 1024;

/** Inputs of the graph with one row per token. // [B·S, width] each */
export type RowInput = 'words' | 'numbers' | 'hidden';

/** Batch as the network reads it: tokens, or the hidden states of the frozen layers. */
export interface RowBatch {
  rows: Partial<Record<RowInput, Float32Array>>;
  mask: Float32Array; // [B, 1, 1, S]
  B: number;
  S: number;
}

/** Trainable parameters and their two moments. // [P] each */
export interface TrainingState {
  parameters: Float32Array;
  firstMoment: Float32Array;
  secondMoment: Float32Array;
}

/**
 * Mean loss of a batch, its gradient by the trainable parameters, and the gradient's Euclidean
 * norm.
 */
export interface BatchGradient {
  loss: number;
  norm: number;
  /** Gradient, which the caller disposes of. // [P] */
  gradient: TensorHandle;
}

/** Parts of a network. */
export interface ProgramParts {
  checkpoint: Checkpoint;
  tuning: Tuning;
  layout: ParameterLayout;
  /** Number of logits per row. */
  outputs: number;
  objective: NetworkObjective;
  /**
   * Gates of the heads' outputs: `fed` to evaluation, see {@link Program.logits}, or `trained` from
   * layer 0 on, as parameters of the layout. Default: none.
   */
  gates?: 'fed' | 'trained';
  /** Factors λ of a term Σ λ·|θ| of the loss, by parameter. Default: no such term. // [P] */
  l1?: Float32Array;
}

/**
 * Whole network as one graph with four ends: the output of the frozen layers, the logits, the
 * gradient, and an update along it. A run of one end computes nothing of the others.
 */
export class Program {
  /**
   * Lowest layer with a tuned slice: 0 if embeddings are tuned, the number of layers if there is
   * none.
   */
  readonly lowest: number;
  /** Tokens that the task head reads. */
  readonly reads: Readout;
  /** True if no layer is tuned and the task head reads one token of the frozen layers' output. */
  readonly storesOneToken: boolean;
  /** True if the word table is frozen. Then the network receives its rows. */
  readonly readsWords: boolean;
  private readonly session: Session;
  private readonly inputs: Record<RowInput | 'mask', Tensor>;
  private readonly training: Record<'targets' | 'count' | 'dropoutKey' | 'gradient' | 'factors', Tensor>;
  private readonly state: OptimizerState;
  /** Gates from the lowest tuned layer on, with the heads of each layer in their order. */
  private readonly gates?: { input: Tensor; heads: readonly (readonly number[])[] };
  private readonly ends: {
    /** Absent if no layer is frozen. */
    frozen?: Tensor;
    logits: Tensor;
    /** Loss as in evaluation. */
    loss: Tensor;
    /** Loss, norm, gradient; and the same with the gradient so far added. */
    gradient: Tensor[];
    furtherGradient: Tensor[];
    update: Tensor;
    decayingUpdate: Tensor;
  };

  /**
   * Holds the base's layers and 3·P numbers until {@link Program.close}.
   * @param initial initial parameters // [P]
   */
  constructor(
    tf: TensorFlow,
    private readonly parts: ProgramParts,
    initial: Float32Array,
  ) {
    const { checkpoint, tuning, layout, outputs, objective, gates: gated, l1 } = parts;
    const { config } = checkpoint;
    const architecture = architectureOf(config);
    const taskHead = endOf(config, objective);
    const ops = new Ops();
    const vector = (name: string, values: Float32Array = new Float32Array(layout.size)) =>
      ops.variable(name, [layout.size], () => values);
    const inputs = {
      words: ops.input('words', 'float32', [null, config.embeddingSize]),
      numbers: ops.input('numbers', 'float32', [null, TOKEN_NUMBERS.length]),
      hidden: ops.input('hidden', 'float32', [null, config.hiddenSize]),
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
    const weights = new NetworkWeights(ops, checkpoint, tuning, layout.split(ops, state.parameters.value));
    const lowest = gated === 'trained' ? 0 : lowestLayer(tuning, config);
    const from = Math.max(0, lowest);
    const gates = gated === 'fed' ? ops.input('gates', 'float32', [config.layers - from, config.heads]) : undefined;
    const network = (dropout?: Dropout, gates?: Tensor) =>
      new TensorFlowNetwork(ops, config, weights, inputs, dropout, gates);
    const evaluated = network();
    const trained = network(new Dropout(training.dropoutKey));
    const embedded = lowest < 0 ? undefined : architecture.embed(evaluated, config);
    const frozen = embedded && from > 0 ? runLayers(evaluated, config, taskHead.reads, embedded, 0, from) : undefined;
    /** Logits; frozen embeddings run as in evaluation. */
    const through = (net: TensorFlowNetwork) => {
      const x = frozen ? inputs.hidden : (embedded ?? architecture.embed(net, config));
      return taskHead.logits(net, config, runLayers(net, config, taskHead.reads, x, from, config.layers));
    };
    const evaluation = through(network(undefined, gates));
    const prediction = through(trained);
    const { loss, byLogits } = taskLoss(ops, prediction, training.targets, training.count, objective);
    const gradients = trained.tape.gradients(prediction, byLogits, weights.wanted);
    const gradient = layout.join(ops, weights.byParameter(gradients));
    // A batch has the term once, so it belongs to the first part.
    const first = l1 ? ops.add(gradient, l1Gradient(ops, state.parameters.value, l1)) : gradient;
    const sum = ops.add(training.gradient, gradient);

    this.lowest = from;
    this.reads = taskHead.reads;
    this.storesOneToken = from === config.layers && taskHead.reads !== 'every';
    this.readsWords = !weights.isTrained(`${architecture.wordEmbeddings}.weight`);
    this.inputs = inputs;
    this.training = training;
    this.state = state;
    if (gates) {
      const layers = Array.from({ length: config.layers - from }, (_, i) => from + i);
      this.gates = { input: gates, heads: layers.map(weights.headsInOrder) };
    }
    this.ends = {
      frozen,
      logits: evaluation,
      loss: taskLoss(ops, evaluation, training.targets, training.count, objective).loss,
      gradient: [loss, globalNorm(ops, first), first],
      furtherGradient: [loss, globalNorm(ops, sum), sum],
      update: adamW(ops, state, training.gradient, training.factors, 0),
      decayingUpdate: adamW(ops, state, training.gradient, training.factors, layout.decayed),
    };
    this.session = new Session(tf, ops);
  }

  /**
   * Output of the layers below the lowest tuned one, as in evaluation: hidden states, or what the
   * task head reads if no layer is tuned. If there is no such layer, the tokens themselves.
   *
   * @param tokens from {@link TokenRows}
   */
  frozen(tokens: RowBatch): RowBatch {
    const { frozen } = this.ends;
    if (!frozen) return tokens;
    const { mask, B, S } = tokens;
    const parts = this.microBatches(tokens).map((part) => this.session.read(this.feeds(part), frozen));
    const rows = { hidden: concatenated(parts) }; // [B·S, d]
    return this.storesOneToken ? { rows, mask: new Float32Array(B), B, S: 1 } : { rows, mask, B, S };
  }

  /**
   * Logits as in evaluation. // → [B, C], or [B·S, C] of tokens
   *
   * @param off heads of which the output is multiplied by 0, in layers from the lowest tuned one on
   */
  logits(batch: RowBatch, off: readonly HeadPlace[] = []): Float32Array {
    const gates = this.gateFeeds(off);
    const parts = this.microBatches(batch).map((part) => [...this.feeds(part), ...gates]);
    return concatenated(parts.map((feeds) => this.session.read(feeds, this.ends.logits)));
  }

  private gateFeeds(off: readonly HeadPlace[]): [Tensor, Feed][] {
    if (!this.gates) return [];
    const { input, heads } = this.gates;
    const isOff = new Set(off.map(({ layer, head }) => `${layer}.${head}`));
    const values = heads.flatMap((order, i) => order.map((head) => (isOff.has(`${this.lowest + i}.${head}`) ? 0 : 1)));
    return [[input, { values: Float32Array.from(values), shape: [heads.length, heads[0].length] }]];
  }

  /**
   * Runs the forward and the backward pass with dropout. Updates nothing.
   * @param targets B of them
   */
  gradient(batch: RowBatch, targets: readonly NetworkTarget[], at: { seed: number; step: number }): BatchGradient {
    const { training, session, ends } = this;
    let sum: BatchGradient | undefined;
    for (const [i, labelled] of this.labelledParts(batch, targets).entries()) {
      const key = { values: dropoutKey(at.seed, at.step, i), shape: [1] };
      const feeds: [Tensor, Feed][] = [...labelled, [training.dropoutKey, key]];
      const [loss, norm, gradient] = sum
        ? session.run([...feeds, [training.gradient, sum.gradient]], ends.furtherGradient)
        : session.run(feeds, ends.gradient);
      sum?.gradient.dispose();
      sum = { loss: (sum?.loss ?? 0) + only(loss), norm: only(norm), gradient };
    }
    return sum as BatchGradient;
  }

  /** Mean loss as in evaluation. @param targets B of them */
  loss(batch: RowBatch, targets: readonly NetworkTarget[]): number {
    return this.labelledParts(batch, targets).reduce(
      (sum, feeds) => sum + this.session.read(feeds, this.ends.loss)[0],
      0,
    );
  }

  /** Takes a step of AdamW along a gradient and disposes of the gradient. */
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

  /** Returns the current parameters and their moments. */
  read(): TrainingState {
    const value = (variable: Variable) => this.session.read([], variable.value);
    const { parameters, firstMoment, secondMoment } = this.state;
    return { parameters: value(parameters), firstMoment: value(firstMoment), secondMoment: value(secondMoment) };
  }

  /** Replaces the parameters and their moments, as far as they are given. */
  write(values: Partial<TrainingState>): void {
    const names = Object.keys(values) as (keyof TrainingState)[];
    this.session.assign(names.map((name) => [this.state[name], values[name] as Float32Array]));
  }

  close(): void {
    this.session.close();
  }

  /** Splits a batch into parts of whole rows, as equal as possible. */
  private microBatches({ rows, mask, B, S }: RowBatch): RowBatch[] {
    const parts = Math.ceil(B / Math.max(1, Math.floor(MICRO_BATCH_TOKENS / S)));
    const size = Math.ceil(B / parts);
    return Array.from({ length: Math.ceil(B / size) }, (_, i) => {
      const [from, to] = [i * size, Math.min(B, (i + 1) * size)];
      const part = (values: Float32Array) => values.subarray((values.length / B) * from, (values.length / B) * to);
      const named = Object.entries(rows).map(([name, values]) => [name, part(values)]);
      return { rows: Object.fromEntries(named), mask: part(mask), B: to - from, S };
    });
  }

  /** Inputs of each part of a batch, with its targets. */
  private labelledParts(batch: RowBatch, targets: readonly NetworkTarget[]): [Tensor, Feed][][] {
    const { outputs, objective } = this.parts;
    const values = targetValues(targets, outputs, objective);
    const count = Float32Array.of(lossCount(targets, objective));
    const width = values.length / batch.B;
    let row = 0;
    return this.microBatches(batch).map((part) => {
      const wanted = values.subarray(row * width, (row + part.B) * width);
      row += part.B;
      return [
        ...this.feeds(part),
        [this.training.targets, { values: wanted, shape: [wanted.length / outputs, outputs] }],
        [this.training.count, { values: count, shape: [] }],
      ];
    });
  }

  private feeds({ rows, mask, B, S }: RowBatch): [Tensor, Feed][] {
    return [
      ...Object.entries(rows).map(([name, values]): [Tensor, Feed] => [
        this.inputs[name as RowInput],
        { values, shape: [B * S, values.length / (B * S)] },
      ]),
      [this.inputs.mask, { values: mask, shape: [B, 1, 1, S] }],
    ];
  }
}

/**
 * Lowest layer of which something is tuned; −1 for something below all layers; the number of layers
 * if nothing is tuned.
 */
function lowestLayer({ slices, products = [] }: Tuning, config: ModelConfig): number {
  const { layerPrefix } = architectureOf(config);
  const names = [...slices.map(({ canonical }) => canonical), ...products.map(({ module }) => module)];
  const layers = names.map((name) =>
    name.startsWith(layerPrefix) ? Number.parseInt(name.slice(layerPrefix.length), 10) : -1,
  );
  return Math.min(config.layers, ...layers);
}

/** Gradient of Σ λ·|θ|; 0 where θ is 0, as in PyTorch. // [P] */
const l1Gradient = (ops: Ops, parameters: Tensor, factors: Float32Array) =>
  ops.mul(
    ops.sign(parameters),
    ops.weight('l1', [factors.length], () => factors),
  );

/** Reads the only number of a tensor and disposes of the tensor. */
function only(held: TensorHandle): number {
  const [value] = held.values();
  held.dispose();
  return value;
}
