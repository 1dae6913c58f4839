import { invalidInput } from '../errors';
import type { HeadScores } from '../heads/scores';
import { callEngine } from '../infra/engine';
import { trainerEnvironment } from '../infra/tensorflow';
import type { StageProgress } from '../progress';
import { evaluateOnnx, predictOnnx } from '../results/engine';
import type { EvaluateRequest, EvaluateResult, PredictEvent } from '../results/inference';
import type { Logits } from '../results/logits';
import { isOnnxFolder } from '../results/onnx-folder';
import type { CalibrateRequest, TrainingCost } from './calibration';
import type { LogitsRequest } from './inference';
import type { TrainEvent, TrainMetrics, TrainRequest } from './options';
import type { ScoreEvent, ScoreRequest } from './score-options';

type Request = TrainRequest | EvaluateRequest | LogitsRequest | ScoreRequest | CalibrateRequest;

const call = <Event, Result>(method: string, request: Request, signal?: AbortSignal) =>
  callEngine<Event, Result>({
    entry: require.resolve('./child'),
    method,
    request,
    env: trainerEnvironment(request.options.threads),
    signal,
  });

/** Masked fine-tuning in a child process; see `train` in `pipeline.ts`. */
export const train = (request: TrainRequest, signal?: AbortSignal) =>
  call<TrainEvent, TrainMetrics>('train', request, signal);

/** Scores of all heads that need gradients, in a child process; see `scoreHeads` in `score.ts`. */
export const scoreHeads = (request: ScoreRequest, signal?: AbortSignal) =>
  call<ScoreEvent, HeadScores>('scoreHeads', request, signal);

/** What a training would cost, in a child process; see `calibrate` in `calibration.ts`. */
export const calibrate = (request: CalibrateRequest, signal?: AbortSignal) =>
  call<StageProgress, TrainingCost>('calibrate', request, signal);

/** The metrics of a tuned model, in a child process: of an exported ONNX folder in onnxruntime's. See `evaluateModel`. */
export const evaluate = (request: EvaluateRequest, signal?: AbortSignal) =>
  isExported(request)
    ? evaluateOnnx(request, signal)
    : call<StageProgress, EvaluateResult>('evaluate', request, signal);

/** The predictions of a tuned model, in a child process: of an exported ONNX folder in onnxruntime's. See `predictModel`. */
export const predict = (request: EvaluateRequest, signal?: AbortSignal) =>
  isExported(request) ? predictOnnx(request, signal) : call<PredictEvent, void>('predict', request, signal);

/** The bare logits of token rows, in a child process. */
export const logits = (request: LogitsRequest, signal?: AbortSignal) => call<number, Logits>('logits', request, signal);

/** @throws INVALID_INPUT where a delta is to be put on an exported model */
function isExported({ model, delta }: EvaluateRequest): boolean {
  if (!isOnnxFolder(model)) return false;
  if (delta === undefined) return true;
  throw invalidInput(`${model} is an exported ONNX model, with its delta in it: leave out the delta, or give the base`);
}
