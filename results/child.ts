import { serveEngine } from '../infra/engine-child';
import { type EvaluateRequest, evaluateModel, predictModel } from './inference';
import { type OnnxLogitsRequest, onnxLogits, openOnnxModel } from './onnx-model';

const open = ({ model, options }: EvaluateRequest) => openOnnxModel(model, options);

/** The engine of exported models: a process with onnxruntime. */
serveEngine({
  evaluate: (request: EvaluateRequest, signal) => evaluateModel(() => open(request), request, signal),
  predict: (request: EvaluateRequest, signal) => predictModel(() => open(request), request, signal),
  logits: (request: OnnxLogitsRequest) => onnxLogits(request),
});
