import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as ort from 'onnxruntime-node';
import type { PaddedBatch } from '../data/batches';
import { failed } from '../foundation/errors';
import type { Readout, TaskHeadKind } from '../model/architecture';
import type { Checkpoint } from '../model/checkpoint';
import { writeWeights } from '../model/onnx';
import { embeddingGraph, layerGraph, STATE, taskHeadGraph } from '../model/serving-graphs';
import type { TunedInputs } from '../model/tuned-arithmetic';
import type { ServedDelta } from './served-delta';
import { feedsOf } from './tuned-feeds';

/** Session of a layer, and the inputs of its tuned parts. */
interface Layer {
  session: ort.InferenceSession;
  tuned: readonly TunedInputs[];
}

/** Tokens' state of some deltas: B sequences for each. // float32 [deltas·B, S, d] */
interface State {
  /** Deltas in the order of the state; `undefined` stands for those that do not differ yet. */
  of: readonly (ServedDelta | undefined)[];
  values: Float32Array;
  /** S, or the number of tokens that the task head reads. */
  tokens: number;
}

/**
 * Base model in onnxruntime, a session per layer, that answers for many deltas at once. Deltas
 * share each layer below their lowest tuned one, and each frozen product above it.
 */
export class ServedBase {
  private readonly heads = new Map<TaskHeadKind, Promise<ort.InferenceSession>>();
  private readonly lasts = new Map<Readout, Promise<Layer>>();

  private constructor(
    readonly checkpoint: Checkpoint,
    private readonly options: ort.InferenceSession.SessionOptions,
    private readonly embeddings: ort.InferenceSession,
    /** All layers but the last, whose graph depends on what the task head reads. */
    private readonly layers: readonly Layer[],
    /** Inputs of every layer. */
    readonly inputs: readonly (readonly TunedInputs[])[],
  ) {}

  /** @throws HifiError INVALID_INPUT for weights that are not finite */
  static async open(checkpoint: Checkpoint, threads: number): Promise<ServedBase> {
    const { config } = checkpoint;
    const options: ort.InferenceSession.SessionOptions = {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      enableMemPattern: false,
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
    };
    const embeddings = await openGraph(options, (weights) => embeddingGraph(checkpoint, weights));
    const layers: Layer[] = [];
    for (let layer = 0; layer < config.layers - 1; layer++) {
      layers.push(await openLayer(checkpoint, layer, 'every', options));
    }
    // Every readout has the same inputs.
    const last = layerGraph(checkpoint, config.layers - 1, 'every').tuned;
    const inputs = [...layers.map(({ tuned }) => tuned), last];
    return new ServedBase(checkpoint, options, embeddings, layers, inputs);
  }

  /**
   * Computes the logits of a batch with each delta.
   *
   * @returns for each delta [B, C], or [B, S, C] of tokens
   */
  async run(batch: PaddedBatch, deltas: readonly ServedDelta[]): Promise<Float32Array[]> {
    const { B, S, ids, typeIds, mask } = batch;
    const { layers: L, hiddenSize: d } = this.checkpoint.config;
    const matrix = (values: Int32Array) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [B, S]);
    const given: Record<string, Int32Array> = { input_ids: ids, token_type_ids: typeIds, attention_mask: mask };
    const feeds = this.embeddings.inputNames.map((name) => [name, matrix(given[name])] as const);
    const { [STATE.output]: embedded } = await this.embeddings.run(Object.fromEntries(feeds));
    let state: State = { of: [undefined], values: embedded.data as Float32Array, tokens: S };

    const logits = new Map<ServedDelta, Float32Array>();
    for (let layer = 0; layer < L; layer++) {
      state = diverged(state, deltas, layer, B * S * d);
      if (layer < L - 1) state = await this.step(this.layers[layer], layer, state, batch);
    }
    for (const reads of new Set(deltas.map((delta) => delta.reads))) {
      const part = partOf(state, reads, deltas, B * S * d);
      const after = await this.step(await this.last(reads), L - 1, part, batch);
      const size = B * after.tokens * d;
      for (const [i, delta] of after.of.entries()) {
        const own = after.values.subarray(i * size, (i + 1) * size);
        const asking = delta ? [delta] : deltas.filter((each) => each.reads === reads && each.lowest >= L);
        for (const each of asking) logits.set(each, await this.logits(each, own, matrix(mask), [B, after.tokens, d]));
      }
    }
    return deltas.map((delta) => logits.get(delta)!);
  }

  async close(): Promise<void> {
    const made = await Promise.all([
      ...this.heads.values(),
      ...[...this.lasts.values()].map(async (last) => (await last).session),
    ]);
    await Promise.all(
      [this.embeddings, ...this.layers.map(({ session }) => session), ...made].map((each) => each.release()),
    );
  }

  private async step({ session, tuned }: Layer, _layer: number, state: State, batch: PaddedBatch): Promise<State> {
    const { B, S, mask } = batch;
    const { hiddenSize: d } = this.checkpoint.config;
    const D = state.of.length;
    const masks = new BigInt64Array(D * B * S);
    for (let i = 0; i < masks.length; i++) masks[i] = BigInt(mask[i % mask.length]);
    const { [STATE.output]: output } = await session.run({
      [STATE.input]: new ort.Tensor('float32', state.values, [D * B, S, d]),
      attention_mask: new ort.Tensor('int64', masks, [D * B, S]),
      ...feedsOf(tuned, state.of),
    });
    return { of: state.of, values: output.data as Float32Array, tokens: output.dims[1] };
  }

  private async logits(delta: ServedDelta, x: Float32Array, mask: ort.Tensor, dims: number[]): Promise<Float32Array> {
    const session = await this.head(delta.kind);
    const tensors = [...delta.taskHead].map(([name, { shape, values }]) => [
      name,
      new ort.Tensor('float32', values, shape),
    ]);
    const { logits } = await session.run({
      [STATE.input]: new ort.Tensor('float32', x, dims),
      attention_mask: mask,
      ...Object.fromEntries(tensors),
    });
    return logits.data as Float32Array;
  }

  private head(kind: TaskHeadKind): Promise<ort.InferenceSession> {
    return once(this.heads, kind, () => openGraph(this.options, () => taskHeadGraph(this.checkpoint, kind)));
  }

  private last(reads: Readout): Promise<Layer> {
    const { layers } = this.checkpoint.config;
    return once(this.lasts, reads, () => openLayer(this.checkpoint, layers - 1, reads, this.options));
  }
}

/** State with a copy for each delta that differs from the base from this layer on. */
function diverged(state: State, deltas: readonly ServedDelta[], layer: number, size: number): State {
  const starting = deltas.filter(({ lowest }) => lowest === layer);
  if (starting.length === 0) return state;
  const shared = state.of.indexOf(undefined);
  const isShared = deltas.some(({ lowest }) => lowest > layer);
  const kept = state.of.filter((each) => each !== undefined || isShared);
  const of = [...kept, ...starting];
  const values = new Float32Array(of.length * size);
  for (const [i, each] of of.entries()) {
    const from = each && !starting.includes(each) ? state.of.indexOf(each) : shared;
    values.set(state.values.subarray(from * size, (from + 1) * size), i * size);
  }
  return { of, values, tokens: state.tokens };
}

/** Part of a state whose deltas have this readout. */
function partOf(state: State, reads: Readout, deltas: readonly ServedDelta[], size: number): State {
  const L = (delta: ServedDelta | undefined) =>
    delta ? delta.reads === reads : deltas.some((each) => each.reads === reads && !state.of.includes(each));
  const of = state.of.filter(L);
  if (of.length === state.of.length) return state;
  const values = new Float32Array(of.length * size);
  for (const [i, each] of of.entries()) {
    const from = state.of.indexOf(each);
    values.set(state.values.subarray(from * size, (from + 1) * size), i * size);
  }
  return { of, values, tokens: state.tokens };
}

async function openLayer(
  checkpoint: Checkpoint,
  layer: number,
  reads: Readout,
  options: ort.InferenceSession.SessionOptions,
): Promise<Layer> {
  let tuned: readonly TunedInputs[] = [];
  const session = await openGraph(options, (weights) => {
    const graph = layerGraph(checkpoint, layer, reads, weights);
    tuned = graph.tuned;
    return graph.model;
  });
  return { session, tuned };
}

/** Creates a session. The engine reads the weights from a temporary file. */
async function openGraph(
  options: ort.InferenceSession.SessionOptions,
  build: Parameters<typeof writeWeights>[1],
): Promise<ort.InferenceSession> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-graph-'));
  try {
    return await ort.InferenceSession.create(writeWeights(folder, build), {
      ...options,
      extra: { session: { model_external_initializers_file_folder_path: folder } },
    });
  } catch (cause) {
    throw failed(`onnxruntime rejects the base: ${(cause as Error).message.split('\n')[0]}`, cause);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

function once<Key, Made>(map: Map<Key, Promise<Made>>, key: Key, make: () => Promise<Made>): Promise<Made> {
  const made = map.get(key) ?? make();
  map.set(key, made);
  return made;
}
