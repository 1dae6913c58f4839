import type { Encoded } from '../data/batches';
import { writing } from '../foundation/disk';
import { cancelled } from '../foundation/errors';
import { StageMeter, type StageProgress } from '../foundation/progress';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import type { OnnxDtype } from '../model/onnx-dtype';
import { exportAdapter } from './adapter-export';
import { exportCheckpoint } from './checkpoint-export';
import { type Delta, readDelta } from './delta';
import type { ExportRequest, ExportResult } from './export-request';
import { writeOnnxFiles } from './onnx-files';

/** Request for a folder that no engine checks. */
export type MergeRequest = Pick<ExportRequest, 'model' | 'delta' | 'dtype' | 'out'> & {
  format: Exclude<ExportRequest['format'], 'onnx'>;
};

/**
 * Exports a base and a delta as a checkpoint or an adapter. The thread is blocked meanwhile.
 *
 * @returns warnings
 * @throws HifiError INVALID_INPUT for a bad model, delta or `out`; CANCELLED if `signal` aborts, in
 *   which case the caller removes the folder
 */
export async function* exportMerged(
  { format, model, delta, dtype = 'float32', out }: MergeRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, ExportResult> {
  const progress = new StageMeter('export', 1, 'folders');
  yield progress.at(0);
  await unlessAborted(signal);
  const result = await ofBoth(model, delta, async (parts) => {
    if (format === 'checkpoint') return exportCheckpoint({ ...parts, dtype, out });
    await exportAdapter({ ...parts, out });
    return { notes: [] };
  });
  await unlessAborted(signal);
  yield progress.at(1);
  return result;
}

/** Request for the files of an ONNX folder. */
export interface OnnxFilesRequest extends Pick<ExportRequest, 'model' | 'delta' | 'out'> {
  dtypes: readonly OnnxDtype[];
  /** Empty folder to fill, from which `out` will be made. */
  folder: string;
}

/**
 * Fills an ONNX folder; see {@link writeOnnxFiles}. The thread is blocked meanwhile.
 *
 * @throws HifiError INVALID_INPUT for a bad model or delta; DISK_FULL naming `out`
 */
export async function* exportOnnxFiles(request: OnnxFilesRequest): AsyncGenerator<never, Encoded[]> {
  const { model, delta, dtypes, folder, out } = request;
  return writing(out, () => ofBoth(model, delta, (parts) => writeOnnxFiles({ ...parts, dtypes, folder })));
}

/** Opens a base and a delta of it for `work`. */
async function ofBoth<T>(
  model: string,
  folder: string,
  work: (parts: { checkpoint: Checkpoint; delta: Delta }) => T | Promise<T>,
): Promise<T> {
  const checkpoint = await openCheckpoint(model);
  try {
    return await work({ checkpoint, delta: readDelta(folder, checkpoint) });
  } finally {
    checkpoint.close();
  }
}

/** Handles pending events, then throws if the signal is aborted: the work blocks the thread. */
async function unlessAborted(signal?: AbortSignal): Promise<void> {
  await new Promise(setImmediate);
  if (signal?.aborted) throw cancelled();
}
