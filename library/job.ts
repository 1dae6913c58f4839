import { trainOptions } from '../delta/training-options';
import type { StageProgress } from '../foundation/progress';
import { ANALYSIS_DEFAULTS, analysisOptions } from '../heads/analysis-options';
import { rankingScope, selectionOptions, sizeOf, topHeads } from '../heads/select';
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
 * Runs a whole job, like `hifi run`: analysis, selection, training, evaluation, exports and report.
 * Writes heads.json, mask.json, metrics.json, `delta/`, a folder per export, report.html and
 * `report/` to `out`. Engines run in child processes.
 *
 * @param request work of the job and folder of its results
 * @param options cancellation
 * @returns JSON results of the job
 * @throws HifiError INVALID_INPUT for any fault of the request, before any computing; CANCELLED by
 *   `signal`; FAILED and ENGINE_LOST as the steps' own functions. `resume` continues from the
 *   results stored until then
 */
export const runJob = (request: JobRequest & OutFolder, options?: RunOptions): Run<JobEvent, JobResult> =>
  runOf((signal) => {
    const { out, resume = false, overwrite = false, model } = request;
    checkFolder(out, { resume, overwrite }, JOB_RESULTS);
    return withSpec(request, signal, (spec) => jobInFolder(spec, { out, asked: { model }, resume, overwrite }, signal));
  }, options);

/**
 * Estimates a job: sizes from the shapes of the model, seconds and memory from a short calibration
 * in the engines. Writes nothing.
 *
 * @param request work of the job
 * @param options cancellation
 * @returns exact sizes, approximate seconds and memory
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

/** All options of a job, with defaults. The analysis ranks heads as the selection does. */
export function jobOptions({
  analysis,
  selection = {},
  training = {},
  exports = [],
  onnxDtypes = ['fp32'],
}: JobRequest): Omit<JobSpec, 'model' | 'train' | 'dev'> {
  const { correlation, teleport, damping, scope } = { ...ANALYSIS_DEFAULTS, ...analysis };
  const chosen = selectionOptions({ correlation, teleport, damping, scope, ...sizeOf(selection), ...selection });
  const { correlation: by, teleport: jumps, damping: follows } = chosen;
  const ranking = { correlation: by, teleport: jumps, damping: follows, scope: rankingScope(chosen) };
  return {
    analysis: analysisOptions({ ...analysis, k: topHeads(chosen), ...ranking }),
    selection: chosen,
    training: trainOptions(training),
    exports,
    onnxDtypes,
  };
}
