import { usableCores } from '../foundation/usable-cores';
import { serveEngine } from '../infra/engine-child';
import { Classifier } from './classifier';
import type { ClassifyRequest } from './classify-request';
import type { WarmMemory } from './warm-memory';

/** Requests to answer at once. */
export interface ClassifyCall {
  requests: readonly ClassifyRequest[];
  limits: WarmMemory;
}

let classifier: Classifier | undefined;

/** Engine of the inference service: a process with onnxruntime, bases and deltas in memory. */
serveEngine({
  /** Yields before each batch but the first. */
  classify({ requests, limits }: ClassifyCall, signal) {
    classifier ??= new Classifier(usableCores(), limits);
    return classifier.classify(requests, signal);
  },
});
