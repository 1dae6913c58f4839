import type { DataSource } from '../data/dataset';
import { readDataset } from '../data/read';
import { evaluateRows } from '../delta/logits';
import { breathe } from '../foundation/breathe';
import { within } from '../foundation/errors';
import { relayed } from '../foundation/follow';
import { StageMeter, type StageProgress } from '../foundation/progress';
import { WholeFile } from '../foundation/whole-file';
import { openCheckpoint } from '../model/checkpoint';
import { loadTokenizer } from '../model/tokenizer';
import { bodyRows, readBody, wholeBody } from './body';
import type { BodyOptions } from './body-training';
import { checkDevice } from './device';
import { POOLED } from './loss';
import { Program } from './program';
import type { TensorFlow } from './session';

/** Request to embed rows with a tuned body. */
export interface BodyEmbeddingsRequest {
  /** Folder of the base model. */
  model: string;
  /** File of `tuneBody`. */
  body: string;
  /**
   * Labelled rows and the file for their embeddings: float32, little-endian, [n, d]. A file appears
   * whole or not at all.
   */
  sets: { data: DataSource; out: string }[];
  options: Pick<BodyOptions, 'batchSize' | 'maxLength' | 'device' | 'threads' | 'precision'>;
}

/**
 * Embeds rows with a tuned body: the mean of the last layer's output over a row's real tokens. A
 * pair of texts is one sequence. Long rows are cut.
 *
 * @throws HifiError INVALID_INPUT for bad rows; CANCELLED by `signal`, between two batches
 */
export async function* embedWithBody(
  tf: TensorFlow,
  { model, body, sets, options }: BodyEmbeddingsRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, void> {
  checkDevice(tf, options.device);
  const checkpoint = await within('model', () => openCheckpoint(model));
  let program: Program | undefined;
  try {
    const { tuning, layout } = wholeBody(checkpoint);
    const outputs = checkpoint.config.hiddenSize;
    program = new Program(tf, { checkpoint, tuning, layout, outputs, objective: POOLED }, readBody(body));
    const parts = { program, checkpoint, tokenizer: loadTokenizer(model) };
    for (const { data, out } of sets) {
      const dataset = await within('data', () => readDataset(data, 'labels'));
      const { encoded, rows } = bodyRows(parts, dataset, options.maxLength);
      const meter = new StageMeter('embed', encoded.length, 'rows');
      const embedded = evaluateRows((batch) => program!.logits(batch), rows, options.batchSize, encoded);
      const { values } = yield* relayed(embedded, async function* (done) {
        yield* meter.due(done);
        await breathe(signal);
      });
      const file = new WholeFile(out);
      try {
        file.writeBytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
        file.commit();
      } finally {
        file.abandon();
      }
    }
  } finally {
    program?.close();
    checkpoint.close();
  }
}
