import type { HeadScores } from '../heads/scores';
import { callEngine } from '../infra/engine';
import { trainerEnvironment } from '../infra/tensorflow';
import type { StageProgress } from '../progress';
import type { EvaluateRequest, EvaluateResult, PredictEvent } from '../results/inference';
import type { CalibrateRequest, TrainingCost } from './calibration';
import type { TrainEvent, TrainMetrics, TrainRequest } from './options';
import type { ScoreEvent, ScoreRequest } from './score-options';

type Request = TrainRequest | EvaluateRequest | ScoreRequest | CalibrateRequest;

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

/** The metrics of a tuned model, in a child process; see `evaluate` in `inference.ts`. */
export const evaluate = (request: EvaluateRequest, signal?: AbortSignal) =>
  call<StageProgress, EvaluateResult>('evaluate', request, signal);

/** The predictions of a tuned model, in a child process; see `predict` in `inference.ts`. */
export const predict = (request: EvaluateRequest, signal?: AbortSignal) =>
  call<PredictEvent, void>('predict', request, signal);
