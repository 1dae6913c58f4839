import type { ExportFormat } from '../gateway/job';
import { openCheckpoint } from '../model/checkpoint';
import { exportAdapter } from '../results/adapter-export';
import { type ExportDtype, exportCheckpoint } from '../results/checkpoint-export';
import { readDelta } from '../results/delta';
import { exportOnnx } from '../trainer/onnx-export';
import { unlessAborted } from './session';

/** What a result is made of. */
export interface ExportSource {
  /** Folder of the base model. */
  model: string;
  /** Folder of the delta. */
  delta: string;
  /** Of a checkpoint. */
  dtype: ExportDtype;
}

/**
 * Writes one result into a new folder.
 *
 * @returns what the user should know, a line each
 * @throws HifiError CANCELLED where `signal` came before or meanwhile: then the folder is not to be kept
 */
export async function exportAs(
  format: ExportFormat,
  source: ExportSource,
  out: string,
  signal: AbortSignal,
): Promise<string[]> {
  await unlessAborted(signal);
  const notes = await EXPORTERS[format](source, out, signal);
  await unlessAborted(signal);
  return notes;
}

type Exporter = (source: ExportSource, out: string, signal: AbortSignal) => Promise<string[]>;

const EXPORTERS: Record<ExportFormat, Exporter> = {
  checkpoint: async ({ model, delta, dtype }, out) => {
    const checkpoint = await openCheckpoint(model);
    try {
      const { notes } = await exportCheckpoint({ checkpoint, delta: readDelta(delta, checkpoint), dtype, out });
      return notes;
    } finally {
      checkpoint.close();
    }
  },
  peft: async ({ model, delta }, out) => {
    const checkpoint = await openCheckpoint(model);
    try {
      await exportAdapter({ checkpoint, delta: readDelta(delta, checkpoint), out });
      return [];
    } finally {
      checkpoint.close();
    }
  },
  onnx: async ({ model, delta }, out, signal) => {
    await exportOnnx({ model, delta, out }, signal);
    return [];
  },
};
