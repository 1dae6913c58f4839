import * as ort from 'onnxruntime-node';
import type { PaddedBatch } from '../data/batches';
import { concatenated } from '../foundation/concatenated';
import type { Readout, TaskHeadKind } from '../model/architecture';
import type { Checkpoint } from '../model/checkpoint';
import { openSession, type SessionSettings } from '../model/onnx-session';
import { embeddingGraph, type LayerInputs, layerGraph, STATE, taskHeadGraph } from '../model/serving-graphs';
import { COUNTS } from '../model/tuned-arithmetic';
import type { ServedDelta } from './served-delta';
import { type Feeds, feedsOf } from './tuned-feeds';

/** Session of a layer, and the inputs of its tuned parts. */
interface Layer {
  session: ort.InferenceSession;
  inputs: LayerInputs;
  /** False if it runs one delta at a time. */
  together: boolean;
}

/** Stands for the base where a delta is a key. */
const BASE = {};

/** Delta of a state; `undefined` stands for all that do not differ from the base yet. */
type Of = ServedDelta | undefined;

/**
 * Tokens' state of some deltas: B sequences for each. A token that a task head reads by itself
 * comes twice. // float32 [deltas·B, S or 2, d]
 */
interface State {
  /** Deltas in the order of the state. */
  of: readonly Of[];
  values: Float32Array;
}

/**
 * Fewest columns of a product in a thread: with fewer, onnxruntime sums in other blocks, and the
 * bits would depend on the number of sequences.
 */
const COLUMNS_OF_A_THREAD = 65;

/**
 * Base model in onnxruntime, a session per layer, that answers for many deltas at once. Deltas
 * share the layers below their lowest tuned one, and the frozen products of that layer.
 *
 * Logits have the same bits whatever else is in their batch, for windows of one padded length.
 */
export class ServedBase {
  /** Inputs of every layer. */
  readonly inputs: readonly LayerInputs[];
  /** Whether {@link runEach} can run: every layer runs several deltas at a time. */
  readonly runsEach: boolean;
  private readonly heads = new Map<TaskHeadKind, Promise<ort.InferenceSession>>();
  private readonly lasts = new Map<Readout, Promise<Layer>>();
  /** Inputs of each delta, or of the base, that ran by itself. */
  private readonly single = new WeakMap<object, Map<Layer, Feeds>>();
  /** Inputs of the last deltas that ran together: the same ones often come again. */
  private together: { of: readonly Of[]; byLayer: Map<Layer, Feeds> } = { of: [], byLayer: new Map() };

  private constructor(
    readonly checkpoint: Checkpoint,
    private readonly settings: SessionSettings,
    private readonly embeddings: ort.InferenceSession,
    /** All layers but the last, whose graph depends on what the task head reads. */
    private readonly layers: readonly Layer[],
    all: readonly Pick<Layer, 'inputs' | 'together'>[],
  ) {
    this.inputs = all.map(({ inputs }) => inputs);
    this.runsEach = all.every(({ together }) => together);
  }

  /** @throws HifiError INVALID_INPUT for weights that are not finite */
  static async open(checkpoint: Checkpoint, threads: number): Promise<ServedBase> {
    const { layers: L, hiddenSize } = checkpoint.config;
    const most = Math.max(1, Math.floor(hiddenSize / COLUMNS_OF_A_THREAD));
    const settings: SessionSettings = { device: 'cpu', threads: Math.min(threads, most) };
    const embeddings = await openSession((weights) => embeddingGraph(checkpoint, weights), settings);
    const layers: Layer[] = [];
    for (let layer = 0; layer < L - 1; layer++) layers.push(await openLayer(checkpoint, layer, 'every', settings));
    // Every readout has the same inputs.
    const last = layerGraph(checkpoint, L - 1, 'every');
    return new ServedBase(checkpoint, settings, embeddings, layers, [...layers, last]);
  }

  /**
   * Computes the logits of a batch with each delta.
   *
   * @returns for each delta [B, C], or [B, S, C] of tokens
   */
  async run(batch: PaddedBatch, deltas: readonly ServedDelta[]): Promise<Float32Array[]> {
    const { layers: L } = this.checkpoint.config;
    let state = await this.embedded(batch);
    for (const [layer, each] of this.layers.entries()) {
      state = await this.step(each, state, startingAt(state, deltas, layer), batch);
    }
    const logits = new Map<ServedDelta, Float32Array>();
    for (const reads of new Set(deltas.map((delta) => delta.reads))) {
      const reading = deltas.filter((delta) => delta.reads === reads);
      const of = startingAt(state, reading, L - 1);
      const last = await this.last(reads);
      // The task head reads the base's last token of a sequence, or each delta's own.
      const from = reads === 'last' ? expanded(state, of) : state;
      const after = await this.step(last, from, of, batch);
      const size = after.values.length / of.length;
      for (const [i, delta] of of.entries()) {
        const own = after.values.subarray(i * size, (i + 1) * size);
        const asking = delta ? [delta] : reading.filter(({ lowest }) => lowest >= L);
        for (const each of asking) logits.set(each, await this.logits(each, own, batch));
      }
    }
    return deltas.map((delta) => logits.get(delta)!);
  }

  /**
   * Computes the logits of each sequence with a delta of its own.
   *
   * @param deltas those of the sequences, all with one readout // [B]
   * @returns for each sequence [C], or [S, C] of tokens
   */
  async runEach(batch: PaddedBatch, deltas: readonly ServedDelta[]): Promise<Float32Array[]> {
    const lowest = Math.min(...deltas.map((delta) => delta.lowest));
    let state = await this.embedded(batch);
    for (const [layer, each] of [...this.layers, await this.last(deltas[0].reads)].entries()) {
      const of = layer < lowest ? state.of : deltas;
      state = await this.runLayer(each, { of, values: state.values }, of, batch);
    }
    const size = state.values.length / batch.B;
    const logits: Float32Array[] = [];
    for (const [i, row] of rowsOf(batch).entries()) {
      logits.push(await this.logits(deltas[i], state.values.subarray(i * size, (i + 1) * size), row));
    }
    return logits;
  }

  async close(): Promise<void> {
    const lasts = await Promise.all(this.lasts.values());
    const heads = await Promise.all(this.heads.values());
    const layers = [...this.layers, ...lasts].map(({ session }) => session);
    await Promise.all([this.embeddings, ...layers, ...heads].map((session) => session.release()));
    this.checkpoint.close();
  }

  private async embedded(batch: PaddedBatch): Promise<State> {
    const { [STATE.output]: output } = await this.embeddings.run(tokenFeeds(this.embeddings, batch, 1));
    return { of: [undefined], values: output.data as Float32Array };
  }

  /** Runs a layer. @param of deltas of the result: those of the state, or more that start here */
  private async step(layer: Layer, state: State, of: readonly Of[], batch: PaddedBatch): Promise<State> {
    const isShared = state.of.length === 1;
    const from = isShared ? state : expanded(state, of);
    if (layer.together || of.length === 1) return this.runLayer(layer, from, of, batch, of.length);
    const size = from.values.length / from.of.length;
    const parts: State[] = [];
    for (const [i, each] of of.entries()) {
      const at = isShared ? 0 : i;
      const values = from.values.subarray(at * size, (at + 1) * size);
      parts.push(await this.runLayer(layer, { ...from, of: [each], values }, [each], batch));
    }
    return { of, values: concatenated(parts.map(({ values }) => values)) };
  }

  /** @param copies number of states that have all sequences of the batch */
  private async runLayer(layer: Layer, from: State, of: readonly Of[], batch: PaddedBatch, copies = 1): Promise<State> {
    const { S } = batch;
    const { hiddenSize: d } = this.checkpoint.config;
    const feeds = {
      [STATE.input]: new ort.Tensor('float32', from.values, [from.values.length / (S * d), S, d]),
      [COUNTS.deltas]: count(of.length),
      [COUNTS.states]: count(from.of.length),
      ...tokenFeeds(layer.session, batch, copies),
      ...this.feeds(layer, of),
    };
    const { [STATE.output]: output } = await layer.session.run(feeds);
    return { of, values: output.data as Float32Array };
  }

  /** Inputs of a layer's tuned parts. */
  private feeds(layer: Layer, of: readonly Of[]): Feeds {
    const [first] = of;
    const byLayer = of.length === 1 ? this.feedsOfOne(first ?? BASE) : this.feedsTogether(of);
    const feeds = byLayer.get(layer) ?? feedsOf(layer.inputs, of, this.checkpoint.config.headDim);
    byLayer.set(layer, feeds);
    return feeds;
  }

  /** They share memory with the delta. */
  private feedsOfOne(delta: object): Map<Layer, Feeds> {
    const byLayer = this.single.get(delta) ?? new Map<Layer, Feeds>();
    this.single.set(delta, byLayer);
    return byLayer;
  }

  private feedsTogether(of: readonly Of[]): Map<Layer, Feeds> {
    const { together } = this;
    const same = together.of.length === of.length && of.every((each, i) => each === together.of[i]);
    if (!same) this.together = { of, byLayer: new Map() };
    return this.together.byLayer;
  }

  private async logits(delta: ServedDelta, x: Float32Array, batch: PaddedBatch): Promise<Float32Array> {
    const { B, S } = batch;
    const session = await this.head(delta.kind);
    const { hiddenSize: d } = this.checkpoint.config;
    const tensors = [...delta.taskHead].map(([name, { shape, values }]) => [
      name,
      new ort.Tensor('float32', values, shape),
    ]);
    const { logits } = await session.run({
      [STATE.input]: new ort.Tensor('float32', x, [B, x.length / (B * d), d]),
      ...tokenFeeds(session, batch, 1),
      ...Object.fromEntries(tensors),
    });
    const tokens = delta.reads === 'every' ? S : 1;
    return cut(logits.data as Float32Array, [B, ...logits.dims.slice(1)], tokens, delta.outputs);
  }

  private head(kind: TaskHeadKind): Promise<ort.InferenceSession> {
    return once(this.heads, kind, () => openSession(() => taskHeadGraph(this.checkpoint, kind), this.settings));
  }

  private last(reads: Readout): Promise<Layer> {
    const { layers } = this.checkpoint.config;
    return once(this.lasts, reads, () => openLayer(this.checkpoint, layers - 1, reads, this.settings));
  }
}

/** Deltas of a state after a layer: those of the state, and those that start to differ in it. */
function startingAt(state: State, deltas: readonly ServedDelta[], layer: number): readonly Of[] {
  const kept = state.of.filter((each) => each !== undefined && deltas.includes(each));
  const starting = deltas.filter(({ lowest }) => lowest === layer);
  const isShared = deltas.some(({ lowest }) => lowest > layer);
  return [...kept, ...starting, ...(isShared ? [undefined] : [])];
}

/** State with a copy for each of these deltas. */
function expanded(state: State, of: readonly Of[]): State {
  if (of.length === state.of.length && of.every((each, i) => each === state.of[i])) return state;
  const size = state.values.length / state.of.length;
  const shared = state.of.indexOf(undefined);
  const parts = of.map((each) => {
    const known = state.of.indexOf(each);
    const at = known < 0 ? shared : known;
    return state.values.subarray(at * size, (at + 1) * size);
  });
  return { of, values: concatenated(parts) };
}

/** Each row of a batch by itself. */
export function rowsOf({ B, S, ids, typeIds, mask, lengths }: PaddedBatch): PaddedBatch[] {
  return Array.from({ length: B }, (_, b) => {
    const row = (values: Int32Array) => values.subarray(b * S, (b + 1) * S);
    return { B: 1, S, ids: row(ids), typeIds: row(typeIds), mask: row(mask), lengths: lengths.subarray(b, b + 1) };
  });
}

/** Leaves out rows and columns at the end. // [B, R, C] → [B, rows, columns] */
function cut(values: Float32Array, [B, R, C]: readonly number[], rows: number, columns: number): Float32Array {
  if (R === rows && C === columns) return values;
  const left = new Float32Array(B * rows * columns);
  for (let row = 0; row < B * rows; row++) {
    const from = (Math.floor(row / rows) * R + (row % rows)) * C;
    left.set(values.subarray(from, from + columns), row * columns);
  }
  return left;
}

const count = (n: number) => new ort.Tensor('int64', BigInt64Array.of(BigInt(n)), [1]);

/**
 * Inputs of a graph that a batch's tokens give, once for each of `times` deltas.
 * // int64 [times·B, S]
 */
function tokenFeeds({ inputNames }: ort.InferenceSession, { B, S, ...batch }: PaddedBatch, times: number): Feeds {
  const given = { input_ids: batch.ids, token_type_ids: batch.typeIds, attention_mask: batch.mask };
  const feeds: Feeds = {};
  for (const [name, values] of Object.entries(given)) {
    if (!inputNames.includes(name)) continue;
    const all = new BigInt64Array(values.length * times);
    for (let i = 0; i < all.length; i++) all[i] = BigInt(values[i % values.length]);
    feeds[name] = new ort.Tensor('int64', all, [times * B, S]);
  }
  return feeds;
}

async function openLayer(
  checkpoint: Checkpoint,
  layer: number,
  reads: Readout,
  settings: SessionSettings,
): Promise<Layer> {
  let traits: Omit<Layer, 'session'> | undefined;
  const session = await openSession((weights) => {
    const { model, ...made } = layerGraph(checkpoint, layer, reads, weights);
    traits = made;
    return model;
  }, settings);
  return { session, ...traits! };
}

function once<Key, Made>(map: Map<Key, Promise<Made>>, key: Key, make: () => Promise<Made>): Promise<Made> {
  const made = map.get(key) ?? make();
  map.set(key, made);
  return made;
}
