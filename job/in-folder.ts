import * as path from 'node:path';
import type { TrainEvent, TrainMetrics, TrainRequest } from '../delta/training-options';
import { relayed } from '../foundation/follow';
import type { Asked } from '../report/parts';
import { clearState } from '../trainer/state';
import { train } from '../trainer/training-engine';
import { writeJson } from './files';
import { FolderPlace, forgetResults, resultKeys } from './folder-results';
import { checkInputs } from './inputs';
import { type JobEvent, type JobResult, type JobSpec, runJob } from './job';
import { localStages } from './local-stages';
import { checkFolder, makeFolder, type OutRules } from './out';
import { JOB_RESULTS, TRAINING_RESULTS } from './own-folders';

/** The folder of a whole job. */
export interface JobFolder extends OutRules {
  out: string;
  /** The model as it was asked for, for the report. */
  asked: Pick<Asked, 'model' | 'revision'>;
}

/**
 * A whole job in this machine's engines, with its results in a folder: `hifi run`. With `resume` it goes on from what is there.
 *
 * @throws HifiError INVALID_INPUT for bad input, told before anything is computed; else as `runJob`
 */
export async function* jobInFolder(
  spec: JobSpec,
  { out, asked, ...rules }: JobFolder,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<JobEvent, JobResult> {
  checkFolder(out, rules, JOB_RESULTS);
  const inputs = await checkInputs(spec);
  const leave = makeFolder(out, rules, JOB_RESULTS);
  const resume = rules.resume === true;
  try {
    const place = new FolderPlace(out, resultKeys(spec, inputs), inputs.model.weights, resume);
    return yield* runJob(spec, localStages(out, resume, asked), place, signal);
  } finally {
    leave();
  }
}

/**
 * A training with its results in a folder, metrics.json beside `delta/`: `hifi train`. Its checkpoint is there until the metrics
 * are.
 *
 * @throws HifiError INVALID_INPUT for bad input; else as `train`
 */
export async function* trainInFolder(
  request: TrainRequest,
  rules: OutRules,
  signal?: AbortSignal,
): AsyncGenerator<TrainEvent, TrainMetrics> {
  const { out } = request;
  const leave = makeFolder(out, rules, TRAINING_RESULTS);
  const state = path.join(out, 'state');
  let begun = false;
  try {
    const metrics = yield* relayed(train(request, signal), function* (event) {
      // The engine has looked at the input and found it good: what an earlier command left is of no more use.
      if (!begun) {
        begun = true;
        forgetResults(out, 'metrics.json');
        if (!request.resume) clearState(state);
      }
      yield event;
    });
    writeJson(path.join(out, 'metrics.json'), metrics);
    clearState(state);
    return metrics;
  } finally {
    leave();
  }
}
