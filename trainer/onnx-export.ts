import type { Encoded } from '../data/batches';
import { openCheckpoint } from '../model/checkpoint';
import { readDelta } from '../results/delta';
import * as results from '../results/onnx-export';
import { logits } from './engine';

export interface OnnxExport {
  /** Folder of the base model. */
  model: string;
  /** Folder of the delta. */
  delta: string;
  /** New or empty folder; it appears whole or not at all. */
  out: string;
}

/** Rows at a time in the check: they are few and of any length. */
const BATCH_SIZE = 8;

/**
 * Writes a delta's ONNX folder, checked against this trainer's own logits; see `exportOnnx` in `results/onnx-export.ts`.
 *
 * @throws INVALID_INPUT for a bad delta or `out`; FAILED where the logits differ; CANCELLED by `signal`
 */
export async function exportOnnx({ model, delta, out }: OnnxExport, signal?: AbortSignal): Promise<void> {
  const checkpoint = await openCheckpoint(model);
  const options = { batchSize: BATCH_SIZE, maxLength: checkpoint.config.maxPositions, device: 'cpu' as const };
  const reference = (rows: readonly Encoded[]) => results.resultOf(logits({ model, delta, rows, options }, signal));
  try {
    await results.exportOnnx({ checkpoint, delta: readDelta(delta, checkpoint), out, reference, signal });
  } finally {
    checkpoint.close();
  }
}
