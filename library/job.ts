import { trainOptions } from '../delta/training-options';
import type { StageProgress } from '../foundation/progress';
import { ANALYSIS_DEFAULTS, analysisOptions } from '../heads/analysis-options';
import { rankingScope, SELECTION_DEFAULTS } from '../heads/select';
import { estimate as estimateJob, type JobEstimate } from '../job/estimate';
import { jobInFolder } from '../job/in-folder';
import type { JobEvent, JobResult, JobSpec } from '../job/job';
import { localCalibrations } from '../job/local-calibrations';
import { checkFolder } from '../job/out';
import { JOB_RESULTS } from '../job/own-folders';
import { modelFolder } from './model';
import type { JobRequest, OutFolder } from './requests';
import { type Run, type RunOptions, runOf } from './run';
import { withRows } from './text-rows';

/**
 * The whole way at once: analyse, select, train, evaluate, export, with a report (`hifi run`). In `out` are then heads.json, mask.json,
 * metrics.json, `delta/`, a folder for each export, report.html and `report/`. Engines have processes of their own.
 *
 * @param request what is done, and where it goes
 * @param options how it is run
 * @returns what it made, besides folders
 * @throws HifiError INVALID_INPUT for anything bad in the request, before anything is computed; CANCELLED by `signal`; FAILED and
 *   ENGINE_LOST as the steps' own functions. What was done before is kept: `resume` goes on from there
 */
export const runJob = (request: JobRequest & OutFolder, options?: RunOptions): Run<JobEvent, JobResult> =>
  runOf((signal) => {
    const { out, resume = false, overwrite = false, model } = request;
    checkFolder(out, { resume, overwrite }, JOB_RESULTS);
    return withSpec(request, signal, (spec) => jobInFolder(spec, { out, asked: { model }, resume, overwrite }, signal));
  }, options);

/**
 * What a job would come to: its sizes from the shapes of the model, its seconds and memory from a short calibration in the engines. Writes
 * nothing.
 *
 * @param request what would be done
 * @param options how it is run
 * @returns sizes exactly, seconds and memory about
 * @throws HifiError as {@link runJob}
 */
export const estimate = (request: JobRequest, options?: RunOptions): Run<StageProgress, JobEstimate> =>
  runOf((signal) => withSpec(request, signal, (spec) => estimateJob(spec, localCalibrations, signal)), options);

const withSpec = <Event, Result>(
  request: JobRequest,
  signal: AbortSignal | undefined,
  work: (spec: JobSpec) => AsyncGenerator<Event, Result>,
): AsyncGenerator<Event | StageProgress, Result> =>
  withRows({ train: request.train, dev: request.dev }, async function* (rows) {
    const options = jobOptions(request);
    const model = yield* modelFolder(request.model, signal);
    return yield* work({ model, ...rows, ...options });
  });

/** Every option, those that were not given too. What the report tells of the ranking is what heads are chosen by. */
export function jobOptions({
  analysis,
  selection = {},
  training = {},
  exports = [],
  onnxDtypes = ['fp32'],
}: JobRequest): Omit<JobSpec, 'model' | 'train' | 'dev'> {
  const { k: _, ...defaults } = SELECTION_DEFAULTS;
  const { correlation, teleport, damping, scope } = { ...ANALYSIS_DEFAULTS, ...analysis };
  const size = selection.budget === undefined ? { k: selection.k ?? SELECTION_DEFAULTS.k } : {};
  const chosen = { ...defaults, correlation, teleport, damping, scope, ...size, ...selection };
  const { correlation: by, teleport: jumps, damping: follows } = chosen;
  const told = { correlation: by, teleport: jumps, damping: follows, scope: rankingScope(chosen) };
  return {
    analysis: analysisOptions({ ...analysis, k: chosen.k ?? ANALYSIS_DEFAULTS.k, ...told }),
    selection: chosen,
    training: trainOptions(training),
    exports,
    onnxDtypes,
  };
}
