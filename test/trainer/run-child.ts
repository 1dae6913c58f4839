import type { TrainRequest } from '../../delta/training-options';
import { loadTensorFlow } from '../../infra/tensorflow';
import { train } from '../../trainer/pipeline';

// Training run in a child process, to be killed: sends every event to its parent.
process.once('message', async (request) => {
  for await (const event of train(loadTensorFlow(), request as TrainRequest)) process.send?.(event);
  process.disconnect();
});
