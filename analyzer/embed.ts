import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as ort from 'onnxruntime-node';
import { type Encoded, encodeRows, evaluationBatches, lengthsOf, type PaddedBatch, padBatch } from '../data/batches';
import type { DataSource } from '../data/dataset';
import { readDataset } from '../data/read';
import type { Device } from '../foundation/device';
import { cancelled, within } from '../foundation/errors';
import { StageMeter, type StageProgress } from '../foundation/progress';
import { usableCores } from '../foundation/usable-cores';
import { WholeFile } from '../foundation/whole-file';
import { architectureOf } from '../model/architectures';
import { openCheckpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { EMBEDDING, meanPooledModel } from '../model/graph';
import { writeWeights } from '../model/onnx';
import { settleDevice } from '../model/onnx-device';
import type { GraphSource } from '../model/onnx-network';
import { positionIds } from '../model/positions';
import { loadTokenizer } from '../model/tokenizer';

/** Texts that run together. */
const BATCH_TEXTS = 32;

/** Rows whose texts are to be embedded, each by itself: the frozen model's last hidden states, the mean over the real tokens. */
export interface EmbedRequest {
  /** Folder of the checkpoint. */
  model: string;
  /** Labelled rows: the same rows in the same order as a training reads them. */
  data: DataSource;
  maxLength: number;
  device: Device;
  threads?: number;
  /** The file for the numbers: float32, little endian, [n, d] of the texts, then of the second texts of pairs. */
  out: string;
}

export interface Embedded {
  /** n. */
  rows: number;
  /** d. */
  width: number;
  /** Whether the rows are pairs. */
  pairs: boolean;
}

/**
 * Embeds the texts of all rows; the file appears whole or not at all. The engine blocks the thread that runs this: it belongs in a
 * child process (see `engine.ts`).
 *
 * @throws HifiError INVALID_INPUT for a bad model or data set; CANCELLED within a batch of the signal.
 */
export async function* embed(request: EmbedRequest, signal?: AbortSignal): AsyncGenerator<StageProgress, Embedded> {
  const dataset = await within('data', () => readDataset(request.data, 'labels'));
  const checkpoint = await within('model', () => openCheckpoint(request.model));
  const { config } = checkpoint;
  let session: ort.InferenceSession;
  try {
    session = await openSession(checkpoint, request);
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

/** The weights go to the engine by a temporary file, as those of an analysis do. */
async function openSession(source: GraphSource, { device, threads }: EmbedRequest): Promise<ort.InferenceSession> {
  const used = await settleDevice(device);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-graph-'));
  try {
    return await ort.InferenceSession.create(
      writeWeights(folder, (weights) => meanPooledModel(source, weights)),
      {
        executionProviders: used === 'cuda' ? ['cuda', 'cpu'] : ['cpu'],
        enableMemPattern: false,
        intraOpNumThreads: threads ?? usableCores(),
        extra: {
          session: {
            intra_op: { allow_spinning: '0' },
            model_external_initializers_file_folder_path: folder,
          },
        },
      },
    );
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** // → [B, d] */
async function run(session: ort.InferenceSession, config: ModelConfig, rows: Encoded[]): Promise<Float32Array> {
  const batch: PaddedBatch = padBatch(rows, config.padTokenId);
  const matrix = (values: Int32Array) =>
    new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [batch.B, batch.S]);
  const outputs = await session.run({
    input_ids: matrix(batch.ids),
    position_ids: matrix(positionIds(config, batch.ids, batch.S)),
    attention_mask: matrix(batch.mask),
    ...(architectureOf(config).segments && { token_type_ids: matrix(batch.typeIds) }),
  });
  return outputs[EMBEDDING].data as Float32Array;
}

const pick = (rows: readonly Encoded[], batch: Int32Array) => Array.from(batch, (row) => rows[row]);
