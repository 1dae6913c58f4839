import type { OnnxDtype } from '../model/onnx-dtype';
import type { ExportDtype } from './checkpoint-export';
import type { EvaluateRequest } from './inference-options';
import type { OnnxModel } from './onnx-folder';

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
  /** Number types of an ONNX folder, at least one; fp32 alone when absent. */
  onnxDtypes?: readonly OnnxDtype[];
  /** Rows that each file of an ONNX folder is evaluated on; none when absent. */
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
