import type { OnnxDtype } from '../model/onnx-dtype';
import type { ExportDtype } from './checkpoint-export';
import type { EvaluateRequest } from './inference-options';
import type { OnnxModel } from './onnx-folder';

/** Formats in which a base with a delta can be exported. */
export const EXPORT_FORMATS = ['checkpoint', 'peft', 'onnx'] as const;
/** One of {@link EXPORT_FORMATS}. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Request to export a base with a delta. */
export interface ExportRequest {
  format: ExportFormat;
  /** Folder of the base model. */
  model: string;
  /** Folder of the delta. */
  delta: string;
  /** Number format of a checkpoint. Default: float32. */
  dtype?: ExportDtype;
  /** Number types of an ONNX folder, at least one. Default: fp32. */
  onnxDtypes?: readonly OnnxDtype[];
  /** Rows on which each file of an ONNX folder is evaluated. Default: none. */
  evaluation?: Pick<EvaluateRequest, 'data' | 'heldOutBy' | 'options'>;
  /** New or empty folder; it appears whole or not at all. */
  out: string;
}

/** Result of an export, besides its folder. */
export interface ExportResult {
  /** Warnings, one line each: the rounding of `dtype` `base`. */
  notes: string[];
  /** Files of the ONNX folder. */
  onnx?: OnnxModel[];
}
