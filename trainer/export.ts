import { exportAdapter } from '../delta/adapter-export';
import { exportCheckpoint } from '../delta/checkpoint-export';
import { readDelta } from '../delta/delta';
import type { ExportFormat, ExportRequest, ExportResult } from '../delta/export-request';
import { breathe } from '../foundation/breathe';
import { StageMeter, type StageProgress } from '../foundation/progress';
import { openCheckpoint } from '../model/checkpoint';
import { exportOnnx } from './onnx-export';

/**
 * Makes a checkpoint, an adapter or an ONNX folder of a base and a delta. The thread is blocked but
 * for the check of an ONNX folder, which engines of its own compute.
 *
 * @returns warnings, and the files of an ONNX folder
 * @throws HifiError INVALID_INPUT for a bad model, delta or `out`; FAILED where an ONNX folder's
 *   logits are not the trainer's; CANCELLED where `signal` came before or meanwhile: then the
 *   folder is not to be kept
 */
export async function* exportModel(
  request: ExportRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, ExportResult> {
  const progress = new StageMeter('export', 1, 'folders');
  yield progress.at(0);
  await breathe(signal);
  const result = await EXPORTERS[request.format](request, signal);
  await breathe(signal);
  yield progress.at(1);
  return result;
}

type Exporter = (request: ExportRequest, signal?: AbortSignal) => Promise<ExportResult>;

const EXPORTERS: Record<ExportFormat, Exporter> = {
  checkpoint: async ({ model, delta, dtype = 'float32', out }) => {
    const checkpoint = await openCheckpoint(model);
    try {
      return await exportCheckpoint({ checkpoint, delta: readDelta(delta, checkpoint), dtype, out });
    } finally {
      checkpoint.close();
    }
  },
  peft: async ({ model, delta, out }) => {
    const checkpoint = await openCheckpoint(model);
    try {
      await exportAdapter({ checkpoint, delta: readDelta(delta, checkpoint), out });
      return { notes: [] };
    } finally {
      checkpoint.close();
    }
  },
  onnx: async (request, signal) => ({ notes: [], onnx: await exportOnnx(request, signal) }),
};
