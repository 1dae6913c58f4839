import type { DataSource } from '../data/dataset';
import { sourceFormat } from '../data/files';
import type { TaskName } from '../data/tasks';
import type { Ablation } from '../delta/ablation';
import { type Delta, readDelta as readAnyDelta } from '../delta/delta';
import type { ExportResult } from '../delta/export-request';
import {
  type EvaluateRequest,
  type EvaluateResult,
  type InferenceOptions,
  inferenceOptions,
  type PredictEvent,
  type Prediction,
} from '../delta/inference-options';
import { deltaTrainedAs, modelTrainedAs } from '../delta/trained-as';
import { TRAIN_DEFAULTS, type TrainMetrics, trainOptions } from '../delta/training-options';
import { invalidValue, shown } from '../foundation/errors';
import { follow } from '../foundation/follow';
import { StageMeter, type StageProgress, type WarningEvent } from '../foundation/progress';
import { predictAtService, taskOf } from '../inference/service-predictions';
import { hostPort } from '../infra/grpc/targets';
import { trainInFolder } from '../job/in-folder';
import { checkFolder, claimFolder, replaceFolder } from '../job/out';
import { EXPORT_FOLDERS, TRAINING_RESULTS } from '../job/own-folders';
import * as engine from '../trainer/training-engine';
import { type TrainEvent, withoutIntervals } from './events';
import { modelFolder } from './model';
import type {
  AblationRequest,
  EvaluationRequest,
  ExportRequest,
  InferenceRequest,
  PredictRequest,
  TrainRequest,
} from './requests';
import { type Run, type RunOptions, runOf } from './run';
import { withRows } from './text-rows';

/**
 * Tunes the heads of a mask and the task head. Writes the delta of the best epoch and metrics.json
 * to `out`. Until then, `state/` has the checkpoint from which `resume` continues. A run that was
 * interrupted anywhere and resumed gives the same delta, bit for bit. Runs in its own process.
 *
 * Stages: `download`, `prefix`, `train` (with `loss`), `evaluate`.
 *
 * @param request model, labelled rows, mask, options and folder of the results
 * @param options cancellation
 * @returns content of metrics.json, as `hifi train` writes it
 * @throws HifiError INVALID_INPUT for a bad model, rows, labels or option, a mask of another model,
 *   or an `out` that holds something; FAILED if the loss is not finite; CANCELLED by `signal`,
 *   within a step; ENGINE_LOST if the process was killed
 */
export const train = (request: TrainRequest, options?: RunOptions): Run<TrainEvent, TrainMetrics> =>
  runOf((signal) => {
    const { out, mask, resume = false, overwrite = false } = request;
    checkFolder(out, { resume, overwrite }, TRAINING_RESULTS);
    return withRows({ train: request.train, dev: request.dev }, async function* (rows) {
      const training = { mask, options: trainOptions(request.options ?? {}), out, resume };
      const model = yield* modelFolder(request.model, signal);
      return yield* withoutIntervals(trainInFolder({ model, ...rows, ...training }, { resume, overwrite }, signal));
    });
  }, options);

/**
 * Evaluates a tuned model on labelled rows, with the metrics of its training task. Without a task
 * these are accuracy, and F1 for two classes; for a regression they are Pearson's and Spearman's
 * correlation and the mean squared error. Runs in its own process.
 *
 * Stages: `download`, `evaluate`.
 *
 * @param request tuned model and labelled rows
 * @param options cancellation
 * @returns metrics, the name of the one that decides, and the errors by class and by row
 * @throws HifiError INVALID_INPUT for a bad model, rows or option, a label that the model lacks, or
 *   a delta of another base; CANCELLED by `signal`, within a batch; ENGINE_LOST if the process was
 *   killed
 */
export const evaluate = (request: EvaluationRequest, options?: RunOptions): Run<StageProgress, EvaluateResult> =>
  runOf(
    (signal) =>
      withDefaults(request, signal, (whole) => engine.evaluate({ ...whole, omitTexts: request.omitTexts }, signal)),
    options,
  );

/**
 * Measures a tuned model on labelled rows with heads gated off, which multiplies their outputs by 0
 * before W_O: the tuned heads, draws of as many others in each layer, and the last others by
 * PageRank. Shows if the tuned heads carry the task. Runs in its own process.
 *
 * Stages: `download`, `evaluate`.
 *
 * @param request tuned model, labelled rows and analysis
 * @param options cancellation
 * @returns content of ablation.json: the metric for each group, with intervals over the rows
 * @throws HifiError INVALID_INPUT as {@link evaluate}; also for a delta that tunes no heads, or
 *   other parts too, and for an analysis of another model; CANCELLED by `signal`, within a batch;
 *   ENGINE_LOST if the process was killed
 */
export const ablate = (request: AblationRequest, options?: RunOptions): Run<StageProgress, Ablation> =>
  runOf((signal) => {
    const { delta, heads, seed = 0 } = request;
    return withDefaults(request, signal, (whole) => engine.ablate({ ...whole, delta, heads, seed }, signal));
  }, options);

/**
 * Predicts each row with a tuned model, in the order of the rows. Needs no labels and warns of
 * empty texts. Runs in its own process, which takes about a second to start: pass many rows at
 * once, use a `Classifier`, or name a running service by `analyzer`.
 *
 * Stages: `download`, `evaluate`.
 *
 * @param request tuned model and rows
 * @param options cancellation
 * @returns a prediction per row, in their order
 * @throws HifiError INVALID_INPUT for a bad model, rows or option, or a delta of another base;
 *   NOT_FOUND for a name that a service does not know; FAILED for a logit that is not a finite
 *   number, or a service that cannot be reached; CANCELLED by `signal`, within a batch; ENGINE_LOST
 *   if the process was killed
 */
export const predict = (
  request: PredictRequest,
  options?: RunOptions,
): Run<StageProgress | WarningEvent, Prediction[]> =>
  runOf((signal) => {
    const { analyzer } = request;
    if (analyzer !== undefined) return atService({ ...request, analyzer }, signal);
    return withDefaults(request, signal, (whole) => predictions(engine.predict(whole, signal)));
  }, options);

/** Predicts at a running service. */
const atService = (
  { analyzer, credentials, model, delta, data, options = {} }: PredictRequest & { analyzer: string },
  signal?: AbortSignal,
) =>
  withRows({ data }, async function* (rows) {
    const { batchSize, maxLength, device } = TRAIN_DEFAULTS;
    const checked = inferenceOptions({ batchSize, maxLength, device, ...given(options) });
    const local = Object.entries(given(options)).find(([name]) => name !== 'batchSize' && name !== 'maxLength');
    if (local) {
      const [name, value] = local;
      const expected = 'left out: the service chooses how it computes';
      throw invalidValue({ field: `options.${name}`, value: shown(value), expected });
    }
    const request = {
      analyzer: hostPort('analyzer', analyzer, '127.0.0.1:7071'),
      ...(credentials && { credentials }),
      model,
      ...(delta !== undefined && { delta }),
      data: withTask(rows.data, taskOf(model, delta)),
      batchSize: checked.batchSize,
      ...(options.maxLength !== undefined && { maxLength: checked.maxLength }),
    };
    return yield* predictions(predictAtService(request, signal));
  });

async function* predictions(
  events: AsyncGenerator<PredictEvent>,
): AsyncGenerator<StageProgress | WarningEvent, Prediction[]> {
  const all: Prediction[] = [];
  for await (const event of events) {
    if (event.kind !== 'rows') yield event;
    else for (const row of event.rows) all.push(row);
  }
  return all;
}

/** Completes a request with the task, `maxLength` and other defaults of the model's training. */
const withDefaults = <Event, Result>(
  { model, delta, data, options }: InferenceRequest,
  signal: AbortSignal | undefined,
  work: (request: EvaluateRequest) => AsyncGenerator<Event, Result>,
): AsyncGenerator<StageProgress | Event, Result> =>
  withRows({ data }, async function* (rows) {
    const folder = yield* modelFolder(model, signal);
    const { task, lengths } = delta === undefined ? modelTrainedAs(folder) : deltaTrainedAs(delta);
    const { batchSize, maxLength, device } = TRAIN_DEFAULTS;
    const data = withTask(rows.data, task);
    const filled = { batchSize, maxLength, device, ...lengths, ...given(options) };
    return yield* work({ model: folder, ...(delta !== undefined && { delta }), data, options: filled });
  });

/** Options that are given. */
const given = (options: Partial<InferenceOptions> = {}): Partial<InferenceOptions> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/** Source with a task's columns, if neither it nor its format names any. */
function withTask(source: DataSource, task: TaskName | undefined): DataSource {
  const named = source.task !== undefined || source.textColumns !== undefined;
  return task === undefined || named || ['txt', 'conll'].includes(sourceFormat(source)) ? source : { ...source, task };
}

/**
 * Exports a base with a delta to a format that other programs load. Before an ONNX folder appears,
 * its logits are compared with the trainer's. Runs in its own process.
 *
 * Stages: `download`, `export`.
 *
 * @param request base, delta, format and folder of the export
 * @param options cancellation
 * @returns warnings, and the files of an ONNX folder with their largest difference from the
 *   trainer's logits
 * @throws HifiError INVALID_INPUT for a bad model or delta, or an `out` that holds something;
 *   FAILED if an ONNX folder's logits differ from the trainer's; CANCELLED by `signal`, before the
 *   folder appears; ENGINE_LOST if the process was killed
 */
export const exportModel = (request: ExportRequest, options?: RunOptions): Run<StageProgress, ExportResult> =>
  runOf(async function* (signal) {
    const { delta, format, dtype, onnxDtypes, out, overwrite = false } = request;
    claimFolder(out, EXPORT_FOLDERS[format], overwrite);
    const model = yield* modelFolder(request.model, signal);
    const progress = new StageMeter('export', 1, 'folders');
    yield progress.at(0);
    const result = await replaceFolder(out, EXPORT_FOLDERS[format], overwrite, (folder) =>
      follow(engine.exportModel({ format, model, delta, dtype, onnxDtypes, out: folder }, signal), () => {}),
    );
    yield progress.at(1);
    return result;
  }, options);

/**
 * Reads a training's delta and checks it. Applying it checks that it fits its base.
 *
 * @param folder `delta/` in a training's `out`
 * @returns description of the delta and all trained parameters
 * @throws HifiError INVALID_INPUT with the file and its fault
 */
export const readDelta = (folder: string): Delta => readAnyDelta(folder);
