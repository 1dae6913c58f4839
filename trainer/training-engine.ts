import type { Encoded } from '../data/batches';
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
import { follow } from '../foundation/follow';
import { StageMeter, type StageProgress } from '../foundation/progress';
import { type HeadScores, isScoreStrategy } from '../heads/scores';
import { callEngine, type ProcessOptions } from '../infra/engine';
import { evaluateOnnx, logitsOnnx, predictOnnx } from '../infra/onnx/onnx-engine';
import { trainerEnvironment } from '../infra/tensorflow';
import type { LogitsRequest } from './inference';
import type { ScoringCost } from './scoring-calibration';

type Request = TrainRequest | EvaluateRequest | LogitsRequest | ScoreRequest | CalibrateRequest;

/** Rows per batch in the check of an ONNX folder: they are few and of any length. */
const CHECK_BATCH_SIZE = 8;

/** The environment is that of the engine's threads; an export has none of its own. */
const call = <Event, Result>(
  method: string,
  request: Request | MergeRequest | OnnxFilesRequest,
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

/**
 * Measures what a training costs, and before it the scoring for a strategy that needs gradients,
 * each in a child process of its own; see `scoring-calibration.ts` and `training-calibration.ts`.
 */
export async function* calibrateTraining(
  request: CalibrateRequest,
  signal?: AbortSignal,
  options?: ProcessOptions,
): AsyncGenerator<StageProgress, TrainingCost> {
  const scored = isScoreStrategy(request.selection.strategy)
    ? yield* call<StageProgress, ScoringCost>('calibrateScoring', request, signal, options)
    : undefined;
  const trained = yield* call<StageProgress, TrainingCost>('calibrate', request, signal, options);
  if (!scored) return trained;
  const peakBytes = Math.max(scored.peakBytes, trained.peakBytes);
  return { ...trained, seconds: { scoring: scored.seconds, ...trained.seconds }, peakBytes };
}

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
const logits = (request: LogitsRequest, signal?: AbortSignal, options?: ProcessOptions) =>
  call<number, Logits>('logits', request, signal, options);

/**
 * Makes a checkpoint, an adapter or an ONNX folder of a base and a delta in child processes. The
 * one that merges or writes the files is silent meanwhile: `silenceMs` must be more than that.
 *
 * @throws HifiError as `exportMerged` and `publishOnnxFolder`; where `signal` aborts the folder is
 *   not to be kept
 */
export async function* exportModel(
  request: ExportRequest,
  signal?: AbortSignal,
  options?: ProcessOptions,
): AsyncGenerator<StageProgress, ExportResult> {
  const { format, model, delta, dtype, onnxDtypes = ['fp32'], evaluation, out } = request;
  if (format !== 'onnx') {
    return yield* call<StageProgress, ExportResult>('merge', { format, model, delta, dtype, out }, signal, options);
  }
  const progress = new StageMeter('export', 1, 'folders');
  yield progress.at(0);
  const inference = { batchSize: CHECK_BATCH_SIZE, device: 'cpu' as const };
  const result = <T>(events: AsyncGenerator<unknown, T>) => follow(events, () => {});
  const work: OnnxWork = {
    write: (folder, dtypes) =>
      result(call<never, Encoded[]>('onnxFiles', { model, delta, dtypes, folder, out }, signal, options)),
    reference: (rows) => result(logits({ model, delta, rows, options: inference }, signal, options)),
    answers: (folder, dtypes, rows) =>
      result(logitsOnnx({ folder, dtypes, rows, options: inference }, signal, options)),
    ...(evaluation && {
      evaluate: async (folder, type) => {
        const asked = { ...evaluation, model: folder, dtype: type };
        const { metrics, loss } = await result(evaluateOnnx(asked, signal, options));
        return { ...metrics, loss };
      },
    }),
  };
  const onnx = await publishOnnxFolder(out, onnxDtypes, work, signal);
  yield progress.at(1);
  return { notes: [], onnx };
}

/** @throws INVALID_INPUT where a delta is to be put on an exported model */
function isExported({ model, delta }: EvaluateRequest): boolean {
  if (!isOnnxFolder(model)) return false;
  if (delta === undefined) return true;
  throw invalidInput(`${model} is an exported ONNX model, with its delta in it: leave out the delta, or give the base`);
}
