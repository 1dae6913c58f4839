import type { DataSource } from '../data/dataset';
import { sourceFormat } from '../data/files';
import { type Delta, readDelta as readAnyDelta } from '../delta/delta';
import type { ExportResult } from '../delta/export-request';
import type { EvaluateRequest, EvaluateResult, Prediction } from '../delta/inference-options';
import { deltaTrainedAs, modelTrainedAs } from '../delta/trained-as';
import { TRAIN_DEFAULTS, type TrainMetrics, trainOptions } from '../delta/training-options';
import { follow } from '../foundation/follow';
import { StageMeter, type StageProgress, type WarningEvent } from '../foundation/progress';
import { trainInFolder } from '../job/in-folder';
import { checkFolder, claimFolder, replaceFolder } from '../job/out';
import { EXPORT_FOLDERS, TRAINING_RESULTS } from '../job/own-folders';
import * as engine from '../trainer/training-engine';
import { type TrainEvent, told } from './events';
import { modelFolder } from './model';
import type { ExportRequest, InferenceRequest, TrainRequest } from './requests';
import { type Run, type RunOptions, runOf } from './run';
import { withRows } from './text-rows';

/**
 * Tunes the heads of a mask, and a task head, and leaves in `out` the best epoch as `delta/`, and metrics.json; until they are there
 * `state/` holds what `resume` goes on from. In a process of its own. A run that was cut anywhere and is resumed ends in the same
 * delta, bit for bit.
 *
 * Stages: `download`, `prefix`, `train` (with `loss`), `evaluate`.
 *
 * @param request the model, the labelled rows, the mask, how it is tuned and where it goes
 * @param options how it is run
 * @returns metrics.json, as `hifi train` writes it
 * @throws HifiError INVALID_INPUT for a bad model, rows, labels or option, a mask of another model, or an `out` that holds something;
 *   FAILED where the loss is no number any more; CANCELLED by `signal`, within a step; ENGINE_LOST where the process was killed
 */
export const train = (request: TrainRequest, options?: RunOptions): Run<TrainEvent, TrainMetrics> =>
  runOf((signal) => {
    const { out, mask, resume = false, overwrite = false } = request;
    checkFolder(out, { resume, overwrite }, TRAINING_RESULTS);
    return withRows({ train: request.train, dev: request.dev }, async function* (rows) {
      const training = { mask, options: trainOptions(request.options ?? {}), out, resume };
      const model = yield* modelFolder(request.model, signal);
      return yield* told(trainInFolder({ model, ...rows, ...training }, { resume, overwrite }, signal));
    });
  }, options);

/**
 * The metrics of a tuned model on labelled rows: those of the task that it was trained for, else accuracy, of two classes F1 too, and of a
 * regression Pearson's and Spearman's correlation and the mean squared error. In a process of its own.
 *
 * Stages: `download`, `evaluate`.
 *
 * @param request the tuned model and the labelled rows
 * @param options how it is run
 * @returns the metrics, and which of them decides
 * @throws HifiError INVALID_INPUT for a bad model, rows or option, a label that the model has not, or a delta of another base; CANCELLED
 *   by `signal`, within a batch; ENGINE_LOST where the process was killed
 */
export const evaluate = (request: InferenceRequest, options?: RunOptions): Run<StageProgress, EvaluateResult> =>
  runOf((signal) => asked(request, signal, (whole) => engine.evaluate(whole, signal)), options);

/**
 * Predicts each row with a tuned model, in the order of the rows. It needs no labels, and warns of
 * empty texts. It runs in a process of its own, which takes about a second to start: pass many rows
 * at once.
 *
 * Stages: `download`, `evaluate`.
 *
 * @param request the tuned model and the rows
 * @param options how it is run
 * @returns one a row, in their order
 * @throws HifiError INVALID_INPUT for a bad model, rows or option, or a delta of another base;
 *   FAILED for a logit that is no finite number; CANCELLED by `signal`, within a batch; ENGINE_LOST
 *   where the process was killed
 */
export const predict = (
  request: InferenceRequest,
  options?: RunOptions,
): Run<StageProgress | WarningEvent, Prediction[]> =>
  runOf((signal) => asked(request, signal, (whole) => predictions(whole, signal)), options);

async function* predictions(
  request: EvaluateRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress | WarningEvent, Prediction[]> {
  const all: Prediction[] = [];
  for await (const event of engine.predict(request, signal)) {
    if (event.kind !== 'rows') yield event;
    else for (const row of event.rows) all.push(row);
  }
  return all;
}

/** Fills in what a request leaves to the training that it asks about. */
const asked = <Event, Result>(
  { model, delta, data, options }: InferenceRequest,
  signal: AbortSignal | undefined,
  work: (request: EvaluateRequest) => AsyncGenerator<Event, Result>,
): AsyncGenerator<StageProgress | Event, Result> =>
  withRows({ data }, async function* (rows) {
    const folder = yield* modelFolder(model, signal);
    const { task, maxLength = TRAIN_DEFAULTS.maxLength } =
      delta === undefined ? modelTrainedAs(folder) : deltaTrainedAs(delta);
    const { batchSize, device } = TRAIN_DEFAULTS;
    const source = task !== undefined && saysNothing(rows.data) ? { ...rows.data, task } : rows.data;
    const given = Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined));
    const filled = { batchSize, maxLength, device, ...given };
    return yield* work({ model: folder, ...(delta !== undefined && { delta }), data: source, options: filled });
  });

/** Of the columns; a plain text has none. */
const saysNothing = (source: DataSource) =>
  source.task === undefined && source.textColumns === undefined && sourceFormat(source) !== 'txt';

/**
 * Makes of a base and a delta what other programs load. In a process of its own. An ONNX folder's
 * logits are compared with the trainer's before it appears.
 *
 * Stages: `download`, `export`.
 *
 * @param request the base, the delta, what is made of them and where it goes
 * @param options how it is run
 * @returns warnings, and the files of an ONNX folder with their largest difference from the
 *   trainer's logits
 * @throws HifiError INVALID_INPUT for a bad model or delta, or an `out` that holds something;
 *   FAILED where an ONNX folder's logits are not the trainer's; CANCELLED by `signal`, before the
 *   folder appears; ENGINE_LOST where the process was killed
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
 * Reads a training's delta and checks it; that it fits its base is checked when it is put on it.
 *
 * @param folder `delta/` in a training's `out`
 * @returns what it is of, and every trained number
 * @throws HifiError INVALID_INPUT naming the file and what is wrong
 */
export const readDelta = (folder: string): Delta => readAnyDelta(folder);
