import * as ort from 'onnxruntime-node';
import type { PaddedBatch } from '../data/batches';
import type { TaskHeadKind } from '../model/architecture';
import type { Checkpoint } from '../model/checkpoint';
import type { WeightsFile } from '../model/onnx';
import { openSession, type SessionSettings } from '../model/onnx-session';
import { type LayerInputs, LOGITS, lastGraph, lowerGraph, STATE } from '../model/serving-graphs';
import { BaseFeeds } from './base-feeds';
import type { ServedDelta } from './served-delta';
import type { Feeds } from './tuned-feeds';

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
  private readonly feeds: BaseFeeds;
  private readonly allInputs = new Map<TaskHeadKind, readonly LayerInputs[]>();
  /** The last layer with the task heads of a kind. */
  private readonly lasts = new Map<TaskHeadKind, Promise<ort.InferenceSession>>();

  private constructor(
    readonly checkpoint: Checkpoint,
    private readonly settings: SessionSettings,
    /** Embeddings and all layers but the last. */
    private readonly lower: ort.InferenceSession,
    /** Inputs of the tuned parts of all layers but the last. */
    private readonly lowerInputs: readonly LayerInputs[],
  ) {
    this.feeds = new BaseFeeds((kind) => this.inputs(kind), checkpoint.config);
  }

  /** @throws HifiError INVALID_INPUT for weights that are not finite */
  static async open(checkpoint: Checkpoint, threads: number): Promise<ServedBase> {
    const most = Math.max(1, Math.floor(checkpoint.config.hiddenSize / COLUMNS_OF_A_THREAD));
    const settings: SessionSettings = { device: 'cpu', threads: Math.min(threads, most), spins: true };
    let inputs: readonly LayerInputs[] = [];
    const lower = await openSession((weights) => {
      const { model, tuned } = lowerGraph(checkpoint, weights);
      inputs = tuned;
      return model;
    }, settings);
    return new ServedBase(checkpoint, settings, lower, inputs);
  }

  /** Inputs of every layer's tuned parts, if a task head of this kind follows. */
  inputs(kind: TaskHeadKind): readonly LayerInputs[] {
    const made = this.allInputs.get(kind) ?? [...this.lowerInputs, ...lastGraph(this.checkpoint, kind).tuned];
    this.allInputs.set(kind, made);
    return made;
  }

  /**
   * Computes the logits of a batch.
   *
   * @param deltas with task heads of one kind: those of all sequences, or `each` of one of its own
   * @returns for each delta [B, C], or [B, S, C] of tokens; B is 1 if `each`
   */
  async run(batch: PaddedBatch, deltas: readonly ServedDelta[], each: boolean): Promise<Float32Array[]> {
    const { lower } = this;
    const [{ kind, reads }] = deltas;
    const last = await this.last(kind);
    const feeds = this.feeds.of(deltas, batch.B, each);
    const state = await lower.run(beside(feeds.lower, tokenFeeds(lower, batch)));
    const ofBatch = { ...tokenFeeds(last, batch), [STATE.input]: state[STATE.output] };
    const { [LOGITS]: all } = await last.run(beside(feeds.last, ofBatch));
    const [, rows, C] = all.dims;
    const size = rows * C;
    return deltas.map(({ outputs }, i) => {
      const values = (all.data as Float32Array).subarray(i * size, (i + 1) * size);
      // A task head that reads a single token has it twice.
      return cut(values, [rows, C], reads === 'every' ? 1 : 2, outputs);
    });
  }

  async close(): Promise<void> {
    // A session that could not be opened has nothing to release.
    const lasts = await Promise.allSettled(this.lasts.values());
    const opened = lasts.flatMap((last) => (last.status === 'fulfilled' ? last.value : []));
    await Promise.all([this.lower, ...opened].map((session) => session.release()));
    this.checkpoint.close();
  }

  private last(kind: TaskHeadKind): Promise<ort.InferenceSession> {
    const build = (weights: WeightsFile) => lastGraph(this.checkpoint, kind, weights).model;
    const known = this.lasts.get(kind);
    if (known) return known;
    const made = openSession(build, this.settings);
    this.lasts.set(kind, made);
    // The next request tries again.
    made.catch(() => this.lasts.delete(kind));
    return made;
  }
}

/** Adds a batch's inputs to cached ones, which are inherited: copies of a hundred take time. */
const beside = (cached: Feeds, ofBatch: Feeds): Feeds => Object.assign(Object.create(cached), ofBatch);

/** Each row of a batch by itself. */
export function rowsOf({ B, S, ids, typeIds, mask, lengths }: PaddedBatch): PaddedBatch[] {
  return Array.from({ length: B }, (_, b) => {
    const row = (values: Int32Array) => values.subarray(b * S, (b + 1) * S);
    return { B: 1, S, ids: row(ids), typeIds: row(typeIds), mask: row(mask), lengths: lengths.subarray(b, b + 1) };
  });
}

/** Takes the first columns of each `step`-th row. // [R, C] → [R/step, columns] */
function cut(values: Float32Array, [R, C]: readonly [number, number], step: number, columns: number): Float32Array {
  if (step === 1 && C === columns) return values;
  const left = new Float32Array((R / step) * columns);
  for (let row = 0; row < R; row += step) {
    left.set(values.subarray(row * C, row * C + columns), (row / step) * columns);
  }
  return left;
}

/** Inputs of a graph that a batch's tokens give. // int64 [B, S] */
function tokenFeeds({ inputNames }: ort.InferenceSession, { B, S, ...batch }: PaddedBatch): Feeds {
  const given = { input_ids: batch.ids, token_type_ids: batch.typeIds, attention_mask: batch.mask };
  const used = Object.entries(given).filter(([name]) => inputNames.includes(name));
  const tensor = (values: Int32Array) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [B, S]);
  return Object.fromEntries(used.map(([name, values]) => [name, tensor(values)]));
}
