import * as path from 'node:path';
import type { Encoded } from '../data/batches';
import type { Ablation, AblationRequest } from '../delta/ablation';
import type { MergeRequest, OnnxFilesRequest } from '../delta/export';
import type { ExportRequest, ExportResult } from '../delta/export-request';
import type { EvaluateRequest, EvaluateResult, PredictEvent } from '../delta/inference-options';
import type { Logits } from '../delta/logits';
import { type OnnxWork, publishOnnxFolder } from '../delta/onnx-export';
import { isOnnxFolder } from '../delta/onnx-folder';
import type { ScoreEvent, ScoreRequest } from '../delta/score-options';
import type { CalibrateRequest, TrainingCost } from '../delta/training-cost';
import type { TrainEvent, TrainMetrics, TrainRequest } from '../delta/training-options';
import { invalidInput } from '../foundation/errors';
import { resultOf } from '../foundation/follow';
import { StageMeter, type StageProgress } from '../foundation/progress';
import { type HeadScores, isScoreStrategy } from '../heads/scores';
import { type ChildFor, callEngine, Engine, type EngineOptions, type ProcessOptions } from '../infra/engine';
import { evaluateOnnx, logitsOnnx, predictOnnx } from '../infra/onnx/onnx-engine';
import { mayUseGpu, trainerEnvironment } from '../infra/tensorflow';
import type { BodyEmbeddingsRequest } from './body-embeddings';
import type { BodyRequest, TunedBody } from './body-training';
import type { LogitsRequest } from './inference';
import type { PrepareRequest } from './prepare';
import type { ScoringCost } from './scoring-calibration';

type Request =
  | TrainRequest
  | BodyRequest
  | BodyEmbeddingsRequest
  | EvaluateRequest
  | AblationRequest
  | LogitsRequest
  | ScoreRequest
  | CalibrateRequest;

/** Process of a call: one of its own, or that of an engine. */
export interface TrainerProcess extends ProcessOptions {
  /**
   * Engine whose child runs the call. After a result it stays, with what it has loaded, for the
   * next call on the same base with the same settings; see {@link trainerEngine}. Default: a child
   * of the call's own.
   */
  engine?: Engine;
}

/** Engine whose child stays after a call. At most one child runs, for one base and its settings. */
export const trainerEngine = (options: Omit<EngineOptions, 'entry' | 'env'> = {}) =>
  new Engine({ entry: require.resolve('./child'), ...options });

/** Rows per batch in the check of an ONNX folder, which has few rows of any length. */
const CHECK_BATCH_SIZE = 8;

/**
 * Calls the trainer's engine. The environment of its child sets threads and precision; an export
 * uses the defaults, or any child. A call that may use a GPU has a child of its own, whose end
 * frees the GPU's memory for other processes.
 */
function call<Event, Result>(
  method: string,
  request: Request | MergeRequest | OnnxFilesRequest,
  signal?: AbortSignal,
  { engine, ...options }: TrainerProcess = {},
): AsyncGenerator<Event, Result> {
  const wanted = 'options' in request ? childFor(request) : undefined;
  const stays = !('options' in request && mayUseGpu(request.options.device));
  if (engine && stays) return released(engine, engine.call<Event, Result>(method, request, signal, wanted));
  const entry = require.resolve('./child');
  return callEngine({ entry, method, request, env: wanted?.env ?? {}, signal, ...options });
}

/** Ends the engine's child after a call without a result, cancelled, failed or left early. */
async function* released<Event, Result>(
  engine: Engine,
  call: AsyncGenerator<Event, Result>,
): AsyncGenerator<Event, Result> {
  let ended = false;
  try {
    const result = yield* call;
    ended = true;
    return result;
  } finally {
    if (!ended) await engine.release().catch(() => {});
  }
}

/** Child for a request: TensorFlow reads its settings once, when the process loads it. */
function childFor({ model, options }: Pick<Request, 'model' | 'options'>): ChildFor {
  const { device = 'auto', threads, precision } = options;
  return { env: trainerEnvironment(threads, precision), subject: `${device} ${path.resolve(model)}` };
}

/**
 * Loads TensorFlow and a base in an engine's child, so that the next call with these settings finds
 * them there. An error is left to that call.
 */
export async function prepare(engine: Engine, request: PrepareRequest, signal?: AbortSignal): Promise<void> {
  if (mayUseGpu(request.options.device)) return;
  const loading = engine.call<never, void>('prepare', request, signal, childFor(request));
  await resultOf(loading).catch(() => {});
}

/** Fine-tunes in a child process; see `train` in `pipeline.ts`. */
export const train = (request: TrainRequest, signal?: AbortSignal, options?: TrainerProcess) =>
  call<TrainEvent, TrainMetrics>('train', request, signal, options);

/** Tunes a whole base for embeddings in a child process; see `tuneBody` in `body-training.ts`. */
export const tuneBody = (request: BodyRequest, signal?: AbortSignal) =>
  call<StageProgress, TunedBody>('tuneBody', request, signal);

/** Embeds rows with a tuned body in a child process; see `body-embeddings.ts`. */
export const embedWithBody = (request: BodyEmbeddingsRequest, signal?: AbortSignal) =>
  call<StageProgress, void>('embedWithBody', request, signal);

/** Computes the scores that need gradients in a child process; see `scoreHeads` in `score.ts`. */
export const scoreHeads = (request: ScoreRequest, signal?: AbortSignal, options?: TrainerProcess) =>
  call<ScoreEvent, HeadScores>('scoreHeads', request, signal, options);

/**
 * Measures the cost of a training and, for a strategy that needs gradients, of the scoring before
 * it, each in its own child process; see `scoring-calibration.ts` and `training-calibration.ts`.
 */
export async function* calibrateTraining(
  request: CalibrateRequest,
  signal?: AbortSignal,
  options?: ProcessOptions,
): AsyncGenerator<StageProgress, TrainingCost> {
  const scored = isScoreStrategy(request.selection.strategy, request.selection.tune)
    ? yield* call<StageProgress, ScoringCost>('calibrateScoring', request, signal, options)
    : undefined;
  const trained = yield* call<StageProgress, TrainingCost>('calibrate', request, signal, options);
  if (!scored) return trained;
  const peakBytes = Math.max(scored.peakBytes, trained.peakBytes);
  return { ...trained, seconds: { scoring: scored.seconds, ...trained.seconds }, peakBytes };
}

/**
 * Evaluates a tuned model in a child process: TensorFlow's, or onnxruntime's for an exported ONNX
 * folder. See `evaluateModel`.
 */
export const evaluate = (request: EvaluateRequest, signal?: AbortSignal, options?: TrainerProcess) =>
  isExported(request)
    ? evaluateOnnx(request, signal, options)
    : call<StageProgress, EvaluateResult>('evaluate', request, signal, options);

/**
 * Predicts with a tuned model in a child process: TensorFlow's, or onnxruntime's for an exported
 * ONNX folder. See `predictModel`.
 */
export const predict = (request: EvaluateRequest, signal?: AbortSignal, options?: TrainerProcess) =>
  isExported(request)
    ? predictOnnx(request, signal, options)
    : call<PredictEvent, void>('predict', request, signal, options);

/** Measures a tuned model with heads gated off in a child process; see `ablateModel`. */
export async function* ablate(request: AblationRequest, signal?: AbortSignal): AsyncGenerator<StageProgress, Ablation> {
  isExported(request);
  // The rest of an analysis is large.
  const heads = request.heads && { model: request.heads.model, pagerank: request.heads.pagerank };
  return yield* call<StageProgress, Ablation>('ablate', { ...request, heads }, signal);
}

/** Computes the logits of token rows in a child process. */
const logits = (request: LogitsRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  call<number, Logits>('logits', request, signal, options);

/**
 * Exports a base and a delta as a checkpoint, an adapter or an ONNX folder, in child processes. The
 * process that merges or writes the files reports no progress: `silenceMs` must exceed that time.
 *
 * @throws HifiError as `exportMerged` and `publishOnnxFolder`; if `signal` aborts, the caller
 *   removes the folder
 */
export async function* exportModel(
  request: ExportRequest,
  signal?: AbortSignal,
  process: TrainerProcess = {},
): AsyncGenerator<StageProgress, ExportResult> {
  const { format, model, delta, dtype, onnxDtypes = ['fp32'], evaluation, out } = request;
  if (format !== 'onnx') {
    return yield* call<StageProgress, ExportResult>('merge', { format, model, delta, dtype, out }, signal, process);
  }
  const { engine, ...options } = process;
  // The memory may not suffice for its base beside the processes of the check.
  await engine?.release();
  const progress = new StageMeter('export', 1, 'folders');
  yield progress.at(0);
  const inference = { batchSize: CHECK_BATCH_SIZE, device: 'cpu' as const };
  const work: OnnxWork = {
    write: (folder, dtypes) =>
      resultOf(call<never, Encoded[]>('onnxFiles', { model, delta, dtypes, folder, out }, signal, options)),
    reference: (rows) => resultOf(logits({ model, delta, rows, options: inference }, signal, options)),
    answers: (folder, dtypes, rows) =>
      resultOf(logitsOnnx({ folder, dtypes, rows, options: inference }, signal, options)),
    ...(evaluation && {
      evaluate: async (folder, type) => {
        const request = { ...evaluation, model: folder, dtype: type };
        const { metrics, loss } = await resultOf(evaluateOnnx(request, signal, options));
        return { ...metrics, loss };
      },
    }),
  };
  const onnx = await publishOnnxFolder(out, onnxDtypes, work, signal);
  yield progress.at(1);
  return { notes: [], onnx };
}

/**
 * Returns true for an exported ONNX model.
 *
 * @throws HifiError INVALID_INPUT if it has a delta too, or is to compute in bf16
 */
function isExported({ model, delta, options }: EvaluateRequest): boolean {
  if (!isOnnxFolder(model)) return false;
  if (options.precision === 'bf16') {
    throw invalidInput(`${model} is an exported ONNX model, which computes in float32: leave out precision bf16`);
  }
  if (delta === undefined) return true;
  throw invalidInput(
    `${model} is an exported ONNX model, which includes its delta: leave out the delta, or give the base`,
  );
}
