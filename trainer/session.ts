import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { Tensor as Held } from '@tensorflow/tfjs-node';
import type { Ops, Tensor } from './ops';
import { TAG, writeSavedModel } from './saved-model';

/** The TensorFlow module, as `infra/tensorflow.ts` loads it. */
export type TensorFlow = typeof import('@tensorflow/tfjs-node');

/** A tensor that the engine holds until it is disposed of. */
export type { Held };

/** A value for an input: numbers of this side, or what an earlier run gave. */
export type Feed = { values: Float32Array | Int32Array; shape: readonly number[] } | Held;

/** What the node backend offers beyond tfjs's own interface. */
interface NodeBackend {
  isUsingGpuDevice: boolean;
  loadSavedModelMetaGraph(folder: string, tags: string): number;
  deleteSavedModel(id: number): void;
  runSavedModel(id: number, inputs: Held[], infos: { name: string }[], outputs: string[]): Held[];
}

const backendOf = (tf: TensorFlow) => tf.backend() as unknown as NodeBackend;

/** Where TensorFlow computes. */
export const deviceOf = (tf: TensorFlow): 'cpu' | 'cuda' => (backendOf(tf).isUsingGpuDevice ? 'cuda' : 'cpu');

/** A graph in the engine, with its variables. */
export class Session {
  private readonly backend: NodeBackend;
  private readonly id: number;

  /** Loads the graph and gives its variables their values; holds memory until {@link Session.close}. */
  constructor(
    private readonly tf: TensorFlow,
    { nodes, variables }: Ops,
  ) {
    this.backend = backendOf(tf);
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-graph-'));
    try {
      writeSavedModel(folder, nodes);
      this.id = this.backend.loadSavedModelMetaGraph(folder, TAG);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
    if (variables.length === 0) return;
    const feeds = variables.map(({ initial, shape, values }) => [initial, this.hold(values(), shape)] as const);
    const taken = variables.map(({ assigned }) => assigned);
    for (const held of [...this.run(feeds, taken), ...feeds.map(([, value]) => value)]) held.dispose();
  }

  /**
   * Runs what the fetched tensors need.
   * @returns the fetched tensors in their order; the caller's to dispose of
   */
  run(feeds: readonly (readonly [Tensor, Feed])[], fetches: readonly Tensor[]): Held[] {
    const made: Held[] = [];
    const held = feeds.map(([, feed]) => {
      if (!('values' in feed)) return feed;
      const tensor = this.hold(feed.values, feed.shape);
      made.push(tensor);
      return tensor;
    });
    const names = feeds.map(([{ name }]) => ({ name }));
    try {
      return this.backend.runSavedModel(
        this.id,
        held,
        names,
        fetches.map(({ name }) => name),
      );
    } finally {
      for (const tensor of made) tensor.dispose();
    }
  }

  /** {@link run} for one tensor whose numbers are wanted on this side. */
  read(feeds: readonly (readonly [Tensor, Feed])[], fetch: Tensor): Float32Array {
    const [held] = this.run(feeds, [fetch]);
    const values = held.dataSync() as Float32Array;
    held.dispose();
    return values;
  }

  /** Numbers of this side as a tensor that the caller disposes of; the array must not change before it is used. */
  hold(values: Float32Array | Int32Array, shape: readonly number[]): Held {
    return this.tf.tensor(values, [...shape], values instanceof Float32Array ? 'float32' : 'int32');
  }

  close(): void {
    this.backend.deleteSavedModel(this.id);
  }
}
