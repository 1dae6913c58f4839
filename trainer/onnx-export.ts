import type { Encoded } from '../data/batches';
import { readDelta } from '../delta/delta';
import type { ExportRequest } from '../delta/export-request';
import * as results from '../delta/onnx-export';
import type { OnnxModel } from '../delta/onnx-folder';
import { resultOf } from '../foundation/follow';
import { evaluateOnnx } from '../infra/onnx/onnx-engine';
import { openCheckpoint } from '../model/checkpoint';
import { logits } from './training-engine';

/** Request for an ONNX folder; see {@link ExportRequest}. */
export type OnnxExport = Omit<ExportRequest, 'format' | 'dtype'>;

/** Rows at a time in the check: they are few and of any length. */
const BATCH_SIZE = 8;

/**
 * Writes a delta's ONNX folder, checked against this trainer's own logits; see `exportOnnx` in
 * `delta/onnx-export.ts`. Then evaluates each file on the dev rows, if there are any.
 *
 * @throws INVALID_INPUT for a bad delta or `out`; FAILED where the logits differ; CANCELLED by
 *   `signal`
 */
export async function exportOnnx(request: OnnxExport, signal?: AbortSignal): Promise<OnnxModel[]> {
  const { model, delta, onnxDtypes: dtypes = ['fp32'], evaluation, out } = request;
  const checkpoint = await openCheckpoint(model);
  const options = { batchSize: BATCH_SIZE, maxLength: checkpoint.config.maxPositions, device: 'cpu' as const };
  const reference = (rows: readonly Encoded[]) => resultOf(logits({ model, delta, rows, options }, signal));
  let models: OnnxModel[];
  try {
    const asked = { checkpoint, delta: readDelta(delta, checkpoint), dtypes, out, reference, signal };
    models = await results.exportOnnx(asked);
  } finally {
    checkpoint.close();
  }
  if (evaluation === undefined) return models;
  const evaluated: OnnxModel[] = [];
  for (const each of models) {
    const asked = { ...evaluation, model: out, dtype: each.dtype };
    const { metrics, loss } = await resultOf(evaluateOnnx(asked, signal));
    evaluated.push({ ...each, dev: { ...metrics, loss } });
  }
  return evaluated;
}
