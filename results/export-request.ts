import type { ExportDtype } from './checkpoint-export';

/** Every folder that can be made of a base and a delta. */
export const EXPORT_FORMATS = ['checkpoint', 'peft', 'onnx'] as const;
/** One of {@link EXPORT_FORMATS}. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** One result to be made of a base and a delta. */
export interface ExportRequest {
  format: ExportFormat;
  /** Folder of the base model. */
  model: string;
  /** Folder of the delta. */
  delta: string;
  /** Of a checkpoint's numbers; float32 when absent. */
  dtype?: ExportDtype;
  /** New or empty folder; it appears whole or not at all. */
  out: string;
}
