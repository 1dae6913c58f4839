import * as fs from 'node:fs';
import * as path from 'node:path';
import { ONNX_DTYPES, type OnnxDtype } from '../model/onnx-dtype';
import { weightsFormOf } from '../model/weights';

/** File of each type in an ONNX folder, named as transformers.js expects. */
export const ONNX_FILES: Readonly<Record<OnnxDtype, string>> = {
  fp32: path.join('onnx', 'model.onnx'),
  fp16: path.join('onnx', 'model_fp16.onnx'),
  q8: path.join('onnx', 'model_quantized.onnx'),
};

/** Bytes per parameter in each type's file, including the scales and the float32 task head. */
export const PARAMETER_BYTES: Readonly<Record<OnnxDtype, number>> = { fp32: 4, fp16: 2.1, q8: 1.2 };

/** Most exact type that a folder has a file of; undefined if it has none. */
export const onnxDtypeOf = (folder: string): OnnxDtype | undefined =>
  ONNX_DTYPES.find((dtype) => fs.existsSync(path.join(folder, ONNX_FILES[dtype])));

/** Returns true for a folder with an exported ONNX model and without a checkpoint's weights. */
export const isOnnxFolder = (folder: string) =>
  onnxDtypeOf(folder) !== undefined && weightsFormOf((name) => fs.existsSync(path.join(folder, name))) === undefined;

/** File of an ONNX folder, and its agreement with the trainer. */
export interface OnnxModel {
  /** Type of its numbers. */
  dtype: OnnxDtype;
  /** Path in the folder. */
  file: string;
  /** Size in bytes, including a separate file of its weights. */
  bytes: number;
  /** Largest difference between its logits and the trainer's on rows of random tokens. */
  largestDifference: number;
  /** Metrics on the dev rows, with `loss`, as in `epochs`; absent if it was not evaluated. */
  dev?: Record<string, number>;
}

/** File beside a model that holds its weights if they are separate. */
export const weightsFileOf = (file: string) => `${path.basename(file)}_data`;

/** Size of a model in bytes, including a separate file of its weights. */
export function onnxBytes(file: string): number {
  const weights = path.join(path.dirname(file), weightsFileOf(file));
  return fs.statSync(file).size + (fs.statSync(weights, { throwIfNoEntry: false })?.size ?? 0);
}
