import * as ort from 'onnxruntime-node';
import { type Encoded, encodeRows, evaluationBatches, lengthsOf, type PaddedBatch, padBatch } from '../data/batches';
import type { DataSource } from '../data/dataset';
import { readDataset } from '../data/read';
import type { Device } from '../foundation/device';
import { cancelled, within } from '../foundation/errors';
import { StageMeter, type StageProgress } from '../foundation/progress';
import { usableCores } from '../foundation/usable-cores';
import { WholeFile } from '../foundation/whole-file';
import { openCheckpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { EMBEDDING, meanPooledModel } from '../model/graph';
import { selectDevice } from '../model/onnx-device';
import { openSession } from '../model/onnx-session';
import { positionIds } from '../model/positions';
import { loadTokenizer } from '../model/tokenizer';

/** Number of texts per batch. */
const BATCH_TEXTS = 32;

/**
 * Request to embed the texts of rows, each by itself: the mean of the frozen model's last hidden
 * states over the real tokens.
 */
export interface EmbedRequest {
  /** Folder of the checkpoint. */
  model: string;
  /** Labelled rows, the same rows in the same order as a training reads them. */
  data: DataSource;
  maxLength: number;
  device: Device;
  threads?: number;
  /**
   * File for the embeddings: float32, little-endian, [n, d] of the texts, then of the second texts
   * of pairs.
   */
  out: string;
}

/** Shape of the embeddings. */
export interface Embedded {
  /** Number of rows, n. */
  rows: number;
  /** Size of an embedding, d. */
  width: number;
  /** True if the rows are pairs. */
  pairs: boolean;
}

/**
 * Embeds the texts of all rows. The file appears whole or not at all. The engine blocks the thread,
 * so this runs in a child process (see {@link AnalyzerEngine}).
 *
 * @throws HifiError INVALID_INPUT for an invalid model or dataset; CANCELLED within a batch of the
 *   signal
 */
export async function* embed(request: EmbedRequest, signal?: AbortSignal): AsyncGenerator<StageProgress, Embedded> {
  const dataset = await within('data', () => readDataset(request.data, 'labels'));
  const checkpoint = await within('model', () => openCheckpoint(request.model));
  const { config } = checkpoint;
  let session: ort.InferenceSession;
  try {
    const device = await selectDevice(request.device);
    const settings = { device, threads: request.threads ?? usableCores() };
    session = await openSession((weights) => meanPooledModel(checkpoint, weights), settings);
  } finally {
    checkpoint.close();
  }
  const file = new WholeFile(request.out);
  try {
    const tokenizer = loadTokenizer(request.model);
    const limit = Math.min(request.maxLength, config.maxPositions);
    const sides = [dataset.texts, ...(dataset.seconds ? [dataset.seconds] : [])];
    const meter = new StageMeter('embed', dataset.rows * sides.length, 'texts');
    const all = Int32Array.from({ length: dataset.rows }, (_, row) => row);
    let done = 0;
    for (const [side, texts] of sides.entries()) {
      const { seconds: _, ...alone } = { ...dataset, texts };
      const rows = await within('data', () => encodeRows(alone, all, tokenizer, limit, config));
      for (const batch of evaluationBatches(lengthsOf(rows), BATCH_TEXTS)) {
        const values = await run(session, config, pick(rows, batch));
        batch.forEach((row, i) => {
          const bytes = Buffer.from(
            values.buffer,
            values.byteOffset + 4 * i * config.hiddenSize,
            4 * config.hiddenSize,
          );
          file.writeBytes(bytes, 4 * config.hiddenSize * (side * dataset.rows + row));
        });
        done += batch.length;
        yield* meter.due(done);
        if (signal?.aborted) throw cancelled();
      }
    }
    file.commit();
    return { rows: dataset.rows, width: config.hiddenSize, pairs: sides.length > 1 };
  } finally {
    file.abandon();
    await session.release();
  }
}

/** Runs one batch and returns its embeddings, [B, d]. */
async function run(session: ort.InferenceSession, config: ModelConfig, rows: Encoded[]): Promise<Float32Array> {
  const batch: PaddedBatch = padBatch(rows, config.padTokenId);
  const matrix = (values: Int32Array) =>
    new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [batch.B, batch.S]);
  const inputs: Record<string, Int32Array> = {
    input_ids: batch.ids,
    position_ids: positionIds(config, batch.ids, batch.S),
    token_type_ids: batch.typeIds,
    attention_mask: batch.mask,
  };
  const feeds = session.inputNames.map((name) => [name, matrix(inputs[name])] as const);
  const outputs = await session.run(Object.fromEntries(feeds));
  return outputs[EMBEDDING].data as Float32Array;
}

const pick = (rows: readonly Encoded[], batch: Int32Array) => Array.from(batch, (row) => rows[row]);
