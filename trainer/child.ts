import { serveEngine } from '../infra/engine';
import { loadTensorFlow } from '../infra/tensorflow';
import { type CalibrateRequest, calibrate } from './calibration';
import { evaluate, predict } from './inference';
import type { EvaluateRequest, TrainRequest } from './options';
import { train } from './pipeline';
import { scoreHeads } from './score';
import type { ScoreRequest } from './score-options';

const tensorFlow = ({ options }: TrainRequest | EvaluateRequest | ScoreRequest | CalibrateRequest) =>
  loadTensorFlow(options.device);

/** The trainer's engine: the one process that loads TensorFlow. */
serveEngine({
  train: (request: TrainRequest, signal) => train(tensorFlow(request), request, signal),
  scoreHeads: (request: ScoreRequest, signal) => scoreHeads(tensorFlow(request), request, signal),
  calibrate: (request: CalibrateRequest, signal) => calibrate(tensorFlow(request), request, signal),
  evaluate: (request: EvaluateRequest, signal) => evaluate(tensorFlow(request), request, signal),
  predict: (request: EvaluateRequest, signal) => predict(tensorFlow(request), request, signal),
});
