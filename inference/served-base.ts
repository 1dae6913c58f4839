import * as ort from 'onnxruntime-node';
import type { PaddedBatch } from '../data/batches';
import type { Readout, TaskHeadKind } from '../model/architecture';
import type { Checkpoint } from '../model/checkpoint';
import type { WeightsFile } from '../model/onnx';
import { openSession, type SessionSettings } from '../model/onnx-session';
import { lastGraph, lowerGraph, rowInputs, STATE, taskHeadGraph } from '../model/serving-graphs';
import type { TunedInputs } from '../model/tuned-arithmetic';
import { type Layout, layoutsApart, layoutsTogether } from './layouts';
import type { ServedDelta } from './served-delta';
import { type Feeds, TunedFeeds } from './tuned-feeds';

/**
 * Fewest columns of a product in a thread: with fewer, onnxruntime sums in other blocks, and the
 * bits would depend on the number of sequences.
 */
const COLUMNS_OF_A_THREAD = 65;

/**
 * Base model in onnxruntime that answers for many deltas at once. Deltas share the layers below
 * their lowest tuned one, and the frozen products of that layer.
 *
 * Logits have the same bits whatever else is in their batch, for windows of one padded length.
 */
export class ServedBase {
  private readonly tuned: TunedFeeds;
  /** The last layer, by what the task head reads. */
  private readonly lasts = new Map<Readout, Promise<ort.InferenceSession>>();
  private readonly heads = new Map<TaskHeadKind, Promise<ort.InferenceSession>>();

  private constructor(
    readonly checkpoint: Checkpoint,
    private readonly settings: SessionSettings,
    /** Embeddings and all layers but the last. */
    private readonly lower: ort.InferenceSession,
    /** Inputs of every layer's tuned parts. */
    readonly inputs: readonly (readonly TunedInputs[])[],
  ) {
    this.tuned = new TunedFeeds(inputs, checkpoint.config.headDim);
  }

  /** @throws HifiError INVALID_INPUT for weights that are not finite */
  static async open(checkpoint: Checkpoint, threads: number): Promise<ServedBase> {
    const most = Math.max(1, Math.floor(checkpoint.config.hiddenSize / COLUMNS_OF_A_THREAD));
    const settings: SessionSettings = { device: 'cpu', threads: Math.min(threads, most), spins: true };
    // Every readout has the same inputs.
    const { tuned: last } = lastGraph(checkpoint, 'every');
    let inputs = last;
    const lower = await openSession((weights) => {
      const { model, tuned } = lowerGraph(checkpoint, weights);
      inputs = [...tuned, ...last];
      return model;
    }, settings);
    return new ServedBase(checkpoint, settings, lower, inputs);
  }

  /**
   * Computes the logits of a batch with each delta.
   *
   * @param deltas with one readout
   * @returns for each delta [B, C], or [B, S, C] of tokens
   */
  async run(batch: PaddedBatch, deltas: readonly ServedDelta[]): Promise<Float32Array[]> {
    const [{ reads }] = deltas;
    const { layers: L } = this.checkpoint.config;
    // The task head reads the base's last token of a sequence, or each delta's own.
    const layouts = layoutsTogether(deltas, batch.B, L, reads === 'last');
    const values = await this.encoded(batch, layouts, reads);
    const { of } = layouts[L - 1];
    const logits: Float32Array[] = [];
    for (const delta of deltas) {
      const place = of.indexOf(delta.lowest < L ? delta : undefined);
      logits.push(await this.logits(delta, part(values, place, of.length), batch));
    }
    return logits;
  }

  /**
   * Computes the logits of each sequence with a delta of its own.
   *
   * @param deltas those of the sequences, all with one readout // [B]
   * @returns for each sequence [C], or [S, C] of tokens
   */
  async runEach(batch: PaddedBatch, deltas: readonly ServedDelta[]): Promise<Float32Array[]> {
    const layouts = layoutsApart(deltas, this.checkpoint.config.layers);
    const values = await this.encoded(batch, layouts, deltas[0].reads);
    const logits: Float32Array[] = [];
    for (const [i, row] of rowsOf(batch).entries()) {
      logits.push(await this.logits(deltas[i], part(values, i, batch.B), row));
    }
    return logits;
  }

  async close(): Promise<void> {
    const others = await Promise.all([...this.lasts.values(), ...this.heads.values()]);
    await Promise.all([this.lower, ...others].map((session) => session.release()));
    this.checkpoint.close();
  }

  /**
   * Tokens that the task head reads, after all layers: of each delta as many sequences; a single
   * token comes twice. // float32 [N, S or 2, d]
   */
  private async encoded(batch: PaddedBatch, layouts: readonly Layout[], reads: Readout): Promise<Float32Array> {
    const below = layouts.slice(0, -1).map((layout, layer) => this.layerFeeds(layer, layout));
    const state = await this.lower.run(Object.assign(tokenFeeds(this.lower, batch), ...below));
    const session = await this.last(reads);
    const last = this.layerFeeds(below.length, layouts[below.length]);
    const { [STATE.output]: output } = await session.run({
      [STATE.input]: state[STATE.output],
      ...tokenFeeds(session, batch),
      ...last,
    });
    return output.data as Float32Array;
  }

  private layerFeeds(layer: number, { of, states, from, sequences }: Layout): Feeds {
    const names = rowInputs(layer);
    return {
      [names.from]: integers(from),
      [names.sequences]: integers(sequences),
      [names.deltas]: integers(BigInt64Array.of(BigInt(of.length))),
      [names.states]: integers(BigInt64Array.of(BigInt(states))),
      ...this.tuned.of(layer, of),
    };
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
      ...tokenFeeds(session, batch),
      ...Object.fromEntries(tensors),
    });
    const tokens = delta.reads === 'every' ? S : 1;
    return cut(logits.data as Float32Array, [B, ...logits.dims.slice(1)], tokens, delta.outputs);
  }

  private head(kind: TaskHeadKind): Promise<ort.InferenceSession> {
    return once(this.heads, kind, () => openSession(() => taskHeadGraph(this.checkpoint, kind), this.settings));
  }

  private last(reads: Readout): Promise<ort.InferenceSession> {
    const build = (weights: WeightsFile) => lastGraph(this.checkpoint, reads, weights).model;
    return once(this.lasts, reads, () => openSession(build, this.settings));
  }
}

/** One of several parts of the same size. */
const part = (values: Float32Array, place: number, count: number) =>
  values.subarray((place * values.length) / count, ((place + 1) * values.length) / count);

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

const integers = (values: BigInt64Array, shape = [values.length]) => new ort.Tensor('int64', values, shape);

/** Inputs of a graph that a batch's tokens give. // int64 [B, S] */
function tokenFeeds({ inputNames }: ort.InferenceSession, { B, S, ...batch }: PaddedBatch): Feeds {
  const given = { input_ids: batch.ids, token_type_ids: batch.typeIds, attention_mask: batch.mask };
  const used = Object.entries(given).filter(([name]) => inputNames.includes(name));
  return Object.fromEntries(used.map(([name, values]) => [name, integers(BigInt64Array.from(values, BigInt), [B, S])]));
}

function once<Key, Made>(map: Map<Key, Promise<Made>>, key: Key, make: () => Promise<Made>): Promise<Made> {
  const made = map.get(key) ?? make();
  map.set(key, made);
  return made;
}
