import type { ExportRequest, ExportResult } from '../delta/export-request';
import type { EvaluateRequest, EvaluateResult, PredictEvent } from '../delta/inference-options';
import type { Logits } from '../delta/logits';
import { isOnnxFolder } from '../delta/onnx-folder';
import type { ScoreEvent, ScoreRequest } from '../delta/score-options';
import type { TrainEvent, TrainMetrics, TrainRequest } from '../delta/training-options';
import { invalidInput } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import type { HeadScores } from '../heads/scores';
import { callEngine, type ProcessOptions } from '../infra/engine';
import { evaluateOnnx, predictOnnx } from '../infra/onnx/onnx-engine';
import { trainerEnvironment } from '../infra/tensorflow';
import type { CalibrateRequest, TrainingCost } from './calibration';
import type { LogitsRequest } from './inference';

type Request = TrainRequest | EvaluateRequest | LogitsRequest | ScoreRequest | CalibrateRequest;

/** The environment is that of the engine's threads; an export has none of its own. */
const call = <Event, Result>(
  method: string,
  request: Request | ExportRequest,
  signal?: AbortSignal,
  options?: ProcessOptions,
) =>
  callEngine<Event, Result>({
    entry: require.resolve('./child'),
    method,
    request,
    env: 'options' in request ? trainerEnvironment(request.options.threads) : {},
    signal,
    ...options,
  });

/** Masked fine-tuning in a child process; see `train` in `pipeline.ts`. */
export const train = (request: TrainRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  call<TrainEvent, TrainMetrics>('train', request, signal, options);

/** Scores of all heads that need gradients, in a child process; see `scoreHeads` in `score.ts`. */
export const scoreHeads = (request: ScoreRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  call<ScoreEvent, HeadScores>('scoreHeads', request, signal, options);

/** What a training would cost, in a child process; see `calibrate` in `calibration.ts`. */
export const calibrate = (request: CalibrateRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  call<StageProgress, TrainingCost>('calibrate', request, signal, options);

/** The metrics of a tuned model, in a child process: of an exported ONNX folder in onnxruntime's. See `evaluateModel`. */
export const evaluate = (request: EvaluateRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  isExported(request)
    ? evaluateOnnx(request, signal, options)
    : call<StageProgress, EvaluateResult>('evaluate', request, signal, options);

/** The predictions of a tuned model, in a child process: of an exported ONNX folder in onnxruntime's. See `predictModel`. */
export const predict = (request: EvaluateRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  isExported(request)
    ? predictOnnx(request, signal, options)
    : call<PredictEvent, void>('predict', request, signal, options);

/** The bare logits of token rows, in a child process. */
export const logits = (request: LogitsRequest, signal?: AbortSignal) => call<number, Logits>('logits', request, signal);

/**
 * A checkpoint, an adapter or an ONNX folder, made in a child process; see `exportModel` in `export.ts`. Between its first event
 * and its last it is silent: `silenceMs` must be more than all of it.
 */
export const exportModel = (request: ExportRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  call<StageProgress, ExportResult>('export', request, signal, options);

/** @throws INVALID_INPUT where a delta is to be put on an exported model */
function isExported({ model, delta }: EvaluateRequest): boolean {
  if (!isOnnxFolder(model)) return false;
  if (delta === undefined) return true;
  throw invalidInput(`${model} is an exported ONNX model, with its delta in it: leave out the delta, or give the base`);
}
