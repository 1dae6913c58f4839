import { serveEngine } from '../infra/engine';
import { loadTensorFlow } from '../infra/tensorflow';
import { evaluate, predict } from './inference';
import type { EvaluateRequest, TrainRequest } from './options';
import { train } from './pipeline';

const tensorFlow = ({ options }: TrainRequest | EvaluateRequest) => loadTensorFlow(options.device);

/** The trainer's engine: the one process that loads TensorFlow. */
serveEngine({
  train: (request: TrainRequest, signal) => train(tensorFlow(request), request, signal),
  evaluate: (request: EvaluateRequest, signal) => evaluate(tensorFlow(request), request, signal),
  predict: (request: EvaluateRequest, signal) => predict(tensorFlow(request), request, signal),
});
