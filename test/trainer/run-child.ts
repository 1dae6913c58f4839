import type { TrainRequest } from '../../delta/training-options';
import { loadTensorFlow } from '../../infra/tensorflow';
import { train } from '../../trainer/pipeline';

// A training run in a process of its own, to be killed: tells its parent of every event.
process.once('message', async (request) => {
  for await (const event of train(loadTensorFlow(), request as TrainRequest)) process.send?.(event);
  process.disconnect();
});
