import { usableCores } from '../foundation/usable-cores';
import { serveEngine } from '../infra/engine-child';
import { Classifier } from './classifier';
import type { ClassifyRequest } from './classify-request';

const classifier = new Classifier(usableCores());

/** Engine of the inference service: a process with onnxruntime, bases and deltas in memory. */
serveEngine({
  // biome-ignore lint/correctness/useYield: it has no events
  async *classify(requests: ClassifyRequest[]) {
    return await classifier.classify(requests);
  },
});
