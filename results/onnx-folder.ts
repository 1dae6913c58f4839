import * as fs from 'node:fs';
import * as path from 'node:path';
import { ONNX_DTYPES, type OnnxDtype } from '../model/onnx-dtype';

/** Each type's file in an ONNX folder, as transformers.js looks for it. */
export const ONNX_FILES: Readonly<Record<OnnxDtype, string>> = {
  fp32: path.join('onnx', 'model.onnx'),
  fp16: path.join('onnx', 'model_fp16.onnx'),
  q8: path.join('onnx', 'model_quantized.onnx'),
};

/** Bytes of a parameter in each type's file, those of the scales and of the float32 task head included. */
export const PARAMETER_BYTES: Readonly<Record<OnnxDtype, number>> = { fp32: 4, fp16: 2.1, q8: 1.2 };

/** The most exact type that a folder has a file of; undefined where it has none. */
export const onnxDtypeOf = (folder: string): OnnxDtype | undefined =>
  ONNX_DTYPES.find((dtype) => fs.existsSync(path.join(folder, ONNX_FILES[dtype])));

/** Whether a folder holds an exported ONNX model, and no checkpoint that the trainer would read. */
export const isOnnxFolder = (folder: string) =>
  onnxDtypeOf(folder) !== undefined && !fs.existsSync(path.join(folder, 'model.safetensors'));

/** A file of an ONNX folder, and how it answers. */
export interface OnnxModel {
  /** Type of its numbers. */
  dtype: OnnxDtype;
  /** Its path in the folder. */
  file: string;
  /** Its size, with the file of its weights where they are apart. */
  bytes: number;
  /** Largest difference between its logits and the trainer's on rows of drawn tokens. */
  largestDifference: number;
  /** Its metrics on the dev rows, with `loss`, as in `epochs`; there where it was evaluated. */
  dev?: Record<string, number>;
}
