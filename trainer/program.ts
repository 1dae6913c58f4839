import type { Tuning } from '../delta/tuning';
import type { HeadPlace } from '../heads/head-groups';
import type { ModelConfig, Readout } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { partsOf, type RowBatch } from './batch-parts';
import { dropoutKey } from './dropout';
import { Lane } from './lane';
import { lossCount, type NetworkObjective, type NetworkTarget, targetShape, targetValues } from './loss';
import { endOf } from './network-end';
import { NetworkWeights } from './network-weights';
import { Ops, type Tensor, type Variable } from './ops';
import { adamW, globalNorm, type OptimizerState, UPDATE_FACTORS, type UpdateOptions, updateFactors } from './optimizer';
import type { ParameterLayout } from './parameters';
import { type PartGroup, partGroups, runParts } from './part-runs';
import { type Feed, lanesOf, Session, type TensorFlow, type TensorHandle, taken } from './session';

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
  /** Number of parts of a batch that run at once, which no bit depends on. Default: `lanesOf`. */
  lanes?: number;
}

/**
 * Whole network as one graph with four ends: the output of the frozen layers, the logits, the
 * gradient, and an update along it. A run of one end computes nothing of the others. Parts of a
 * batch run side by side in lanes, each in a thread of its own.
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
  private readonly lanes: readonly Lane[];
  private readonly training: Record<'count' | 'before' | 'gradient' | 'factors', Tensor>;
  private readonly state: OptimizerState;
  /** Gates from the lowest tuned layer on, with the heads of each layer in their order. */
  private readonly gates?: { input: Tensor; heads: readonly (readonly number[])[] };
  private readonly ends: {
    /** Gradient so far with those of the first 1, 2, … lanes added, and its norm. */
    gradients: { sum: Tensor; norm: Tensor }[];
    /** Gradient of the L1 term. */
    penalty?: Tensor;
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
    const ops = new Ops(tf.precision);
    const vector = (name: string, values: Float32Array = new Float32Array(layout.size)) =>
      ops.variable(name, [layout.size], () => values);
    const state = {
      parameters: vector('parameters', initial),
      firstMoment: vector('firstMoment'),
      secondMoment: vector('secondMoment'),
    };
    const training = {
      count: ops.input('count', 'float32', []),
      before: ops.input('before', 'float32', [null]),
      gradient: ops.input('gradient', 'float32', [layout.size]),
      factors: ops.input('factors', 'float32', [UPDATE_FACTORS]),
    };
    const weights = new NetworkWeights(ops, checkpoint, tuning, layout.split(ops, state.parameters.value));
    const lowest = gated === 'trained' ? 0 : lowestLayer(tuning, config);
    const from = Math.max(0, lowest);
    const gates = gated === 'fed' ? ops.input('gates', 'float32', [config.layers - from, config.heads]) : undefined;
    const { count } = training;
    const shared = { ops, config, weights, layout, taskHead, lowest, outputs, objective, count, gates };
    const lanes = Array.from({ length: parts.lanes ?? lanesOf(tf) }, (_, n) => new Lane(shared, n));
    let sum = training.before;
    const gradients = lanes.map(({ gradient }) => {
      sum = ops.add(sum, gradient);
      return { sum, norm: globalNorm(ops, sum) };
    });

    this.lowest = from;
    this.reads = taskHead.reads;
    this.storesOneToken = from === config.layers && taskHead.reads !== 'every';
    this.readsWords = !weights.isTrained(`${architecture.wordEmbeddings}.weight`);
    this.lanes = lanes;
    this.training = training;
    this.state = state;
    if (gates) {
      const layers = Array.from({ length: config.layers - from }, (_, i) => from + i);
      this.gates = { input: gates, heads: layers.map(weights.headsInOrder) };
    }
    this.ends = {
      gradients,
      penalty: l1 && l1Gradient(ops, state.parameters.value, l1),
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
    if (!this.lanes[0].frozen) return tokens;
    const { mask, B, S } = tokens;
    const rows = { hidden: this.valuesOf(tokens, (lane) => lane.frozen!) }; // [B·S, d]
    return this.storesOneToken ? { rows, mask: new Float32Array(B), B, S: 1 } : { rows, mask, B, S };
  }

  /**
   * Logits as in evaluation. // → [B, C], or [B·S, C] of tokens
   *
   * @param off heads of which the output is multiplied by 0, in layers from the lowest tuned one on
   */
  logits(batch: RowBatch, off: readonly HeadPlace[] = []): Float32Array {
    return this.valuesOf(batch, (lane) => lane.logits, this.gateFeeds(off));
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
   * @param targets B of them, or B/2 of pairs
   */
  gradient(batch: RowBatch, targets: readonly NetworkTarget[], at: { seed: number; step: number }): BatchGradient {
    const { session, ends } = this;
    // A batch has the penalty once.
    let gradient = ends.penalty && session.run([], [ends.penalty])[0];
    let [loss, norm] = [0, 0];
    let done = 0;
    for (const { lanes, feeds } of this.labelled(batch, targets)) {
      const keys = lanes.map(({ dropoutKey: input }, i): [Tensor, Feed] => [
        input,
        { values: dropoutKey(at.seed, at.step, done + i), shape: [1] },
      ]);
      const { sum, norm: normOfSum } = ends.gradients[lanes.length - 1];
      const all = [...feeds, ...keys, [this.training.before, gradient ?? NOTHING] as const];
      const [added, ...numbers] = session.run(all, [sum, normOfSum, ...lanes.map((lane) => lane.loss)]);
      gradient?.dispose();
      gradient = added;
      const [normSoFar, ...losses] = numbers.map(only);
      norm = normSoFar;
      for (const part of losses) loss += part;
      done += lanes.length;
    }
    return { loss, norm, gradient: gradient as TensorHandle };
  }

  /** Mean loss as in evaluation. @param targets B of them, or B/2 of pairs */
  loss(batch: RowBatch, targets: readonly NetworkTarget[]): number {
    let loss = 0;
    for (const { lanes, feeds } of this.labelled(batch, targets)) {
      const losses = this.session.run(
        feeds,
        lanes.map(({ evaluatedLoss }) => evaluatedLoss),
      );
      for (const part of losses) loss += only(part);
    }
    return loss;
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

  /** Runs one end of the graph. */
  private valuesOf(batch: RowBatch, end: (lane: Lane) => Tensor, further?: readonly [Tensor, Feed][]): Float32Array {
    const groups = partGroups(partsOf(batch), this.lanes);
    return runParts(this.session, groups, (lane) => [end(lane)], further)[0];
  }

  /** Parts of a batch with their targets, in groups that run at once. */
  private labelled(batch: RowBatch, targets: readonly NetworkTarget[]): PartGroup<Lane>[] {
    const { outputs, objective } = this.parts;
    const labelled = { ...batch, targets: targetValues(targets, outputs, objective) };
    const parts = partsOf(labelled, targetShape(objective, outputs).rows);
    const count: Feed = { values: Float32Array.of(lossCount(targets, objective)), shape: [] };
    return partGroups(parts, this.lanes).map(({ lanes, feeds }) => ({
      lanes,
      feeds: [...feeds, [this.training.count, count]],
    }));
  }
}

/** Gradient before the first part. */
const NOTHING: Feed = { values: Float32Array.of(0), shape: [1] };

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
const only = (held: TensorHandle): number => taken(held)[0];
