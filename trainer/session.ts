import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { Precision } from '../foundation/precision';
import type { Ops, Tensor, Variable } from './ops';
import { TAG, writeSavedModel } from './saved-model';

type Numbers = Float32Array | Int32Array;

/**
 * Part of tfjs-node's native binding that hifi uses; `infra/tensorflow.ts` loads it. Tensors and
 * graphs are numeric ids.
 */
export interface TensorFlow {
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  /** Arithmetic of its matrix products, which is fixed for the process. */
  readonly precision: Precision;
  isUsingGpuDevice(): boolean;
  createTensor(shape: number[], dtype: number, values: Numbers): number;
  tensorDataSync(id: number): Numbers;
  deleteTensor(id: number): void;
  getNumOfTensors(): number;
  loadSavedModel(folder: string, tags: string): number;
  runSavedModel(id: number, inputs: number[], inputNames: string, outputNames: string): { id: number }[];
  deleteSavedModel(id: number): void;
  /** Number of sessions that have had the last graph, if graphs are kept; see `keepingGraph`. */
  readonly graphUses?: number;
}

/** Device on which TensorFlow computes. */
export const deviceOf = (tf: TensorFlow): 'cpu' | 'cuda' => (tf.isUsingGpuDevice() ? 'cuda' : 'cpu');

/** Most parts at once: few batches have more, and the graph has a network for each. */
const MOST_LANES = 8;

/**
 * Number of a batch's parts that TensorFlow computes at once: on the CPU one for each inter-op
 * thread, whose number `infra/tensorflow.ts` sets, and {@link MOST_LANES} at most. Further threads
 * share the operations of a part that do not depend on each other.
 */
export const lanesOf = (tf: TensorFlow): number =>
  deviceOf(tf) === 'cuda' ? 1 : Math.min(MOST_LANES, Number(process.env.TF_NUM_INTEROP_THREADS ?? 1));

/** Handle of a tensor in the engine, which holds its memory until `dispose`. */
export class TensorHandle {
  constructor(
    private readonly tf: TensorFlow,
    readonly id: number,
  ) {}

  /** Copies the tensor's values out of the engine. */
  values(): Float32Array {
    return this.tf.tensorDataSync(this.id) as Float32Array;
  }

  dispose(): void {
    this.tf.deleteTensor(this.id);
  }
}

/** Copies a tensor's values out of the engine and disposes of the tensor. */
export function taken(held: TensorHandle): Float32Array {
  const values = held.values();
  held.dispose();
  return values;
}

/** Value for an input: an array, or a tensor in the engine. */
export type Feed = { values: Numbers; shape: number[] } | TensorHandle;

/** Graph in the engine, with its variables. */
export class Session {
  private readonly id: number;

  /** Loads the graph and initializes its variables; holds memory until {@link Session.close}. */
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

  /** Assigns new values to variables. */
  assign(values: readonly (readonly [Variable, Float32Array])[]): void {
    const feeds = values.map(([{ next, shape }, numbers]) => [next, this.hold(numbers, [...shape])] as const);
    const taken = values.map(([variable]) => variable.taken);
    for (const handle of [...this.run(feeds, taken), ...feeds.map(([, value]) => value)]) handle.dispose();
  }

  /**
   * Runs the ops that the fetched tensors need.
   *
   * @returns the fetched tensors in order; the caller disposes of them
   */
  run(feeds: readonly (readonly [Tensor, Feed])[], fetches: readonly Tensor[]): TensorHandle[] {
    const created: TensorHandle[] = [];
    const ids = feeds.map(([, feed]) => {
      if (feed instanceof TensorHandle) return feed.id;
      created.push(this.hold(feed.values, feed.shape));
      return created[created.length - 1].id;
    });
    const names = (tensors: readonly Tensor[]) => tensors.map(({ name }) => name).join(',');
    try {
      const inputs = names(feeds.map(([input]) => input));
      return this.tf.runSavedModel(this.id, ids, inputs, names(fetches)).map(({ id }) => new TensorHandle(this.tf, id));
    } finally {
      for (const handle of created) handle.dispose();
    }
  }

  /** Runs the graph and copies one fetched tensor out of the engine. */
  read(feeds: readonly (readonly [Tensor, Feed])[], fetch: Tensor): Float32Array {
    return taken(this.run(feeds, [fetch])[0]);
  }

  /** Copies values into a tensor in the engine; the caller disposes of it. */
  hold(values: Numbers, shape: number[]): TensorHandle {
    const { TF_FLOAT, TF_INT32 } = this.tf;
    return new TensorHandle(
      this.tf,
      this.tf.createTensor(shape, values instanceof Float32Array ? TF_FLOAT : TF_INT32, values),
    );
  }

  close(): void {
    this.tf.deleteSavedModel(this.id);
  }
}
