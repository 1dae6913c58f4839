import type { AblationRequest } from '../delta/ablation';
import { exportMerged, exportOnnxFiles, type MergeRequest, type OnnxFilesRequest } from '../delta/export';
import type { EvaluateRequest } from '../delta/inference-options';
import type { ScoreRequest } from '../delta/score-options';
import type { CalibrateRequest } from '../delta/training-cost';
import type { TrainRequest } from '../delta/training-options';
import { requireBfloat16 } from '../infra/bfloat16';
import { serveEngine } from '../infra/engine-child';
import { loadTensorFlow } from '../infra/tensorflow';
import { type BodyEmbeddingsRequest, embedWithBody } from './body-embeddings';
import { type BodyRequest, tuneBody } from './body-training';
import { ablate, evaluate, type LogitsRequest, logits, predict } from './inference';
import { keepingGraph } from './kept-graph';
import { train } from './pipeline';
import { type PrepareRequest, prepare } from './prepare';
import { scoreHeads } from './score';
import { calibrateScoring } from './scoring-calibration';
import type { TensorFlow } from './session';
import { calibrate } from './training-calibration';

type Request =
  | TrainRequest
  | BodyRequest
  | BodyEmbeddingsRequest
  | EvaluateRequest
  | LogitsRequest
  | ScoreRequest
  | CalibrateRequest
  | PrepareRequest;

/** The process's TensorFlow; all its calls are for one device. */
let loaded: TensorFlow | undefined;

function tensorFlow({ options: { device, precision } }: Request): TensorFlow {
  if (precision === 'bf16') requireBfloat16(device ?? 'auto');
  loaded ??= keepingGraph(loadTensorFlow(precision === 'bf16' ? 'cpu' : device));
  return loaded;
}

/** The trainer's engine: the one process that loads TensorFlow. */
serveEngine({
  prepare(request: PrepareRequest) {
    tensorFlow(request);
    return prepare(request);
  },
  train: (request: TrainRequest, signal) => train(tensorFlow(request), request, signal),
  tuneBody: (request: BodyRequest, signal) => tuneBody(tensorFlow(request), request, signal),
  embedWithBody: (request: BodyEmbeddingsRequest, signal) => embedWithBody(tensorFlow(request), request, signal),
  scoreHeads: (request: ScoreRequest, signal) => scoreHeads(tensorFlow(request), request, signal),
  calibrate: (request: CalibrateRequest, signal) => calibrate(tensorFlow(request), request, signal),
  calibrateScoring: (request: CalibrateRequest, signal) => calibrateScoring(tensorFlow(request), request, signal),
  evaluate: (request: EvaluateRequest, signal) => evaluate(tensorFlow(request), request, signal),
  ablate: (request: AblationRequest, signal) => ablate(tensorFlow(request), request, signal),
  logits: (request: LogitsRequest) => logits(tensorFlow(request), request),
  predict: (request: EvaluateRequest, signal) => predict(tensorFlow(request), request, signal),
  merge: (request: MergeRequest, signal) => exportMerged(request, signal),
  onnxFiles: (request: OnnxFilesRequest) => exportOnnxFiles(request),
});
