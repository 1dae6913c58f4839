import { evaluateModel, predictModel } from '../../delta/inference';
import { serveEngine } from '../engine-child';
import { type OnnxEvaluateRequest, type OnnxLogitsRequest, onnxLogits, openOnnxModel } from './onnx-model';

const open = ({ model, options, dtype }: OnnxEvaluateRequest) => openOnnxModel(model, options, dtype);

/** Engine of exported models: a process with onnxruntime. */
serveEngine({
  evaluate: (request: OnnxEvaluateRequest, signal) => evaluateModel(() => open(request), request, signal),
  predict: (request: OnnxEvaluateRequest, signal) => predictModel(() => open(request), request, signal),
  logits: (request: OnnxLogitsRequest) => onnxLogits(request),
});
