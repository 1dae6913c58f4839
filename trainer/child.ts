import { serveEngine } from '../infra/engine';
import { loadTensorFlow } from '../infra/tensorflow';
import { evaluate, predict } from './inference';
import { Ops } from './ops';
import type { EvaluateRequest, TrainRequest } from './options';
import { train } from './pipeline';

/** The trainer's engine: the one process that loads TensorFlow. */
serveEngine({
  train: (request: TrainRequest, signal) => train(new Ops(loadTensorFlow()), request, signal),
  evaluate: (request: EvaluateRequest, signal) => evaluate(new Ops(loadTensorFlow()), request, signal),
  predict: (request: EvaluateRequest, signal) => predict(new Ops(loadTensorFlow()), request, signal),
});
