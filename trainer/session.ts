import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { Ops, Tensor, Variable } from './ops';
import { TAG, writeSavedModel } from './saved-model';

type Numbers = Float32Array | Int32Array;

/** What is used of tfjs-node's native binding, as `infra/tensorflow.ts` loads it. Tensors and graphs are numbers there. */
export interface TensorFlow {
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  isUsingGpuDevice(): boolean;
  createTensor(shape: number[], dtype: number, values: Numbers): number;
  tensorDataSync(id: number): Numbers;
  deleteTensor(id: number): void;
  getNumOfTensors(): number;
  loadSavedModel(folder: string, tags: string): number;
  runSavedModel(id: number, inputs: number[], inputNames: string, outputNames: string): { id: number }[];
  deleteSavedModel(id: number): void;
}

/** Where TensorFlow computes. */
export const deviceOf = (tf: TensorFlow): 'cpu' | 'cuda' => (tf.isUsingGpuDevice() ? 'cuda' : 'cpu');

/** A tensor in the engine, until it is disposed of. */
export class Held {
  constructor(
    private readonly tf: TensorFlow,
    readonly id: number,
  ) {}

  /** A copy of its numbers on this side. */
  values(): Float32Array {
    return this.tf.tensorDataSync(this.id) as Float32Array;
  }

  dispose(): void {
    this.tf.deleteTensor(this.id);
  }
}

/** A value for an input: numbers of this side, or what an earlier run gave. */
export type Feed = { values: Numbers; shape: number[] } | Held;

/** A graph in the engine, with its variables. */
export class Session {
  private readonly id: number;

  /** Loads the graph and gives its variables their values; holds memory until {@link Session.close}. */
  constructor(
    private readonly tf: TensorFlow,
    { nodes, variables }: Ops,
  ) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-graph-'));
    try {
      writeSavedModel(folder, nodes);
      this.id = tf.loadSavedModel(folder, TAG);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
    if (variables.length === 0) return;
    this.assign(variables.map((variable) => [variable, variable.initial()]));
  }

  /** Gives variables new numbers. */
  assign(values: readonly (readonly [Variable, Float32Array])[]): void {
    const feeds = values.map(([{ next, shape }, numbers]) => [next, this.hold(numbers, [...shape])] as const);
    const taken = values.map(([variable]) => variable.taken);
    for (const held of [...this.run(feeds, taken), ...feeds.map(([, value]) => value)]) held.dispose();
  }

  /**
   * Runs what the fetched tensors need.
   * @returns the fetched tensors in their order; the caller's to dispose of
   */
  run(feeds: readonly (readonly [Tensor, Feed])[], fetches: readonly Tensor[]): Held[] {
    const made: Held[] = [];
    const ids = feeds.map(([, feed]) => {
      if (feed instanceof Held) return feed.id;
      made.push(this.hold(feed.values, feed.shape));
      return made[made.length - 1].id;
    });
    const names = (tensors: readonly Tensor[]) => tensors.map(({ name }) => name).join(',');
    try {
      const inputs = names(feeds.map(([input]) => input));
      return this.tf.runSavedModel(this.id, ids, inputs, names(fetches)).map(({ id }) => new Held(this.tf, id));
    } finally {
      for (const held of made) held.dispose();
    }
  }

  /** {@link run} for numbers that are wanted on this side. */
  read(feeds: readonly (readonly [Tensor, Feed])[], fetch: Tensor): Float32Array {
    const [held] = this.run(feeds, [fetch]);
    const values = held.values();
    held.dispose();
    return values;
  }

  /** Numbers of this side as a tensor that the caller disposes of. */
  hold(values: Numbers, shape: number[]): Held {
    const { TF_FLOAT, TF_INT32 } = this.tf;
    return new Held(this.tf, this.tf.createTensor(shape, values instanceof Float32Array ? TF_FLOAT : TF_INT32, values));
  }

  close(): void {
    this.tf.deleteSavedModel(this.id);
  }
}
