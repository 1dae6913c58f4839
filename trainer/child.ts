import { serveEngine } from '../infra/engine';
import { loadTensorFlow } from '../infra/tensorflow';
import { evaluate, predict } from './inference';
import { Ops } from './ops';
import type { EvaluateRequest, TrainRequest } from './options';
import { train } from './pipeline';

const opsOn = ({ options }: TrainRequest | EvaluateRequest) => new Ops(loadTensorFlow(options.device));

/** The trainer's engine: the one process that loads TensorFlow. */
serveEngine({
  train: (request: TrainRequest, signal) => train(opsOn(request), request, signal),
  evaluate: (request: EvaluateRequest, signal) => evaluate(opsOn(request), request, signal),
  predict: (request: EvaluateRequest, signal) => predict(opsOn(request), request, signal),
});
