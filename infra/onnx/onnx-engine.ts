import type { EvaluateResult, PredictEvent } from '../../delta/inference-options';
import type { Logits } from '../../delta/logits';
import type { StageProgress } from '../../foundation/progress';
import { callEngine, type ProcessOptions } from '../engine';
import type { OnnxEvaluateRequest, OnnxLogitsRequest } from './onnx-model';

const call = <Event, Result>(
  method: string,
  request: OnnxEvaluateRequest | OnnxLogitsRequest,
  signal?: AbortSignal,
  options?: ProcessOptions,
) => callEngine<Event, Result>({ entry: require.resolve('./child'), method, request, signal, ...options });

/** Evaluates an exported ONNX model in a child process. */
export const evaluateOnnx = (request: OnnxEvaluateRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  call<StageProgress, EvaluateResult>('evaluate', request, signal, options);

/** Predicts with an exported ONNX model in a child process. */
export const predictOnnx = (request: OnnxEvaluateRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  call<PredictEvent, void>('predict', request, signal, options);

/** Computes the logits of token rows by each file, in a child process. */
export const logitsOnnx = (request: OnnxLogitsRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  call<number, Logits[]>('logits', request, signal, options);
