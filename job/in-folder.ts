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
import { LocalEngines } from './local-engines';
import { localStages } from './local-stages';
import { checkFolder, makeFolder, type OutRules } from './out';
import { JOB_RESULTS, TRAINING_RESULTS } from './own-folders';

/** The folder of a whole job, and what its report says about the model. */
export interface JobFolder extends OutRules {
  out: string;
  /** The model as the user named it. */
  asked: Pick<Asked, 'model' | 'revision'>;
}

/**
 * Runs a whole job in engines on this machine and stores its results in a folder (`hifi run`).
 * `resume` continues from the results in the folder.
 *
 * @throws HifiError INVALID_INPUT for bad input, before any computing; else as `runJob`
 */
export async function* jobInFolder(
  spec: JobSpec,
  { out, asked, ...rules }: JobFolder,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<JobEvent, JobResult> {
  checkFolder(out, rules, JOB_RESULTS);
  const resume = rules.resume === true;
  const engines = new LocalEngines();
  try {
    // A resumed job may need neither.
    if (!resume) engines.analyzer.start();
    const inputs = await checkInputs(spec);
    if (!resume) engines.prepareTrainer(spec);
    const leave = makeFolder(out, rules, JOB_RESULTS);
    try {
      const place = new FolderPlace(out, resultKeys(spec, inputs), inputs.model.weights, resume);
      return yield* runJob(spec, localStages(out, resume, asked, engines), place, signal);
    } finally {
      leave();
    }
  } finally {
    await engines.close();
  }
}

/**
 * Trains and stores metrics.json and `delta/` in a folder (`hifi train`). The trainer's checkpoint
 * stays in `state/` until the metrics are written.
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
      // The engine has accepted the input, so results of an earlier command are now outdated.
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
