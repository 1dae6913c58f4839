import type { Encoded } from '../data/batches';
import { type DataSource, type Dataset, rowName, rowNumber, selectRows } from '../data/dataset';
import type { Targets } from '../data/label-reading';
import { encodeLabels, LABELS, strataOf } from '../data/labels';
import type { LabelSet } from '../data/problem';
import { readDataset } from '../data/read';
import { holdOut } from '../data/split';
import { TASK_NAMES, TASKS, type TaskName, taskNamed } from '../data/tasks';
import { type WindowedRows, windowRows } from '../data/windows';
import { windowOptions } from '../data/word-windows';
import { breathe } from '../foundation/breathe';
import { failed, invalidPart, within } from '../foundation/errors';
import { relayed } from '../foundation/follow';
import { StageMeter, type StageProgress } from '../foundation/progress';
import type { ModelConfig } from '../model/config';
import { loadTokenizer } from '../model/tokenizer';
import { analyseErrors } from './analyse-errors';
import { labelsOf, type TaskHeadInfo } from './delta-info';
import {
  type EvaluateRequest,
  type EvaluateResult,
  type InferenceOptions,
  inferenceOptions,
  type PredictEvent,
} from './inference-options';
import { type Logits, rowLogits, rowOf, score } from './logits';
import type { Metrics } from './metrics';
import { metricsOf, PROBLEMS } from './problems';
import { rowAnswers } from './row-answers';

/** Tuned model, ready to run, in any engine. */
export interface TunedModel {
  /** Folder of the model, with its tokenizer. */
  folder: string;
  config: ModelConfig;
  labels: LabelSet;
  task: TaskName | null;
  /** Computes the logits of all rows. @yields the number of rows done */
  logits(rows: readonly Encoded[], batchSize: number): AsyncGenerator<number, Logits>;
  close(): void | Promise<void>;
}

/**
 * Evaluates a tuned model on labelled rows.
 *
 * @param open loads the model into an engine
 * @throws INVALID_INPUT for an invalid option, invalid rows, labels that the model lacks, or a task
 *   that it does not solve
 */
export async function* evaluateModel(
  open: () => Promise<TunedModel>,
  request: EvaluateRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, EvaluateResult> {
  inferenceOptions(request.options);
  const model = await open();
  try {
    const { labels } = model;
    const { task, metrics, dataset, targets } = await labelledRows(model, request);
    const logits = yield* runRows(model, dataset, request.options, signal);
    const { loss, ...scores } = score(logits, targets, labels, metrics);
    const errors = analyseErrors(logits, { dataset, targets }, labels, request.omitTexts);
    return {
      ...{ task, metric: metrics.best, rows: dataset.rows, loss, metrics: scores, errorAnalysis: errors },
      ...(request.answers && { answers: rowAnswers(logits, targets, labels) }),
    };
  } finally {
    await model.close();
  }
}

/** Rows that a model is measured on, with the metrics of their task. */
export interface MeasuredRows {
  task: TaskName | null;
  metrics: Metrics;
  dataset: Dataset;
  targets: Targets;
}

/**
 * Reads the labelled rows of a request.
 *
 * @throws INVALID_INPUT as {@link evaluateModel}
 */
export async function labelledRows(
  { labels, task: trained }: Pick<TunedModel, 'labels' | 'task'>,
  { data, delta, model, heldOutBy }: EvaluateRequest,
): Promise<MeasuredRows> {
  const task = data.task ? taskNamed(data.task) : trained;
  if (task && !solves(labels, task)) {
    throw invalidPart(
      'data.task',
      `${data.path}: the task ${task} needs ${kindOf(TASKS[task].labels)}; ${delta ?? model} was trained for ${kindOf(labels)}`,
    );
  }
  const whole = await within('data', () => readDataset(asTheModel(data, labels), 'labels'));
  const rows = await within('data', () => heldOut(whole, labels, heldOutBy));
  return { task, metrics: metricsOf(task, labels), ...rows };
}

/** Rows to evaluate on: all, or those that a training held out, with their targets. */
function heldOut(whole: Dataset, labels: LabelSet, seed: number | undefined): { dataset: Dataset; targets: Targets } {
  const targets = encodeLabels(whole, labels, 'the model has');
  if (seed === undefined) return { dataset: whole, targets };
  const dataset = selectRows(whole, holdOut(strataOf(targets, labels), seed).dev);
  return { dataset, targets: encodeLabels(dataset, labels, 'the model has') };
}

/** Number of predicted rows per event. */
const ROWS_AT_ONCE = 1000;

/**
 * Predicts each row with a tuned model, without labels. Rows come in the file's order, a thousand
 * per event.
 *
 * @param open loads the model into an engine
 * @throws INVALID_INPUT for an invalid option or invalid rows
 */
export async function* predictModel(
  open: () => Promise<TunedModel>,
  request: EvaluateRequest,
  signal?: AbortSignal,
): AsyncGenerator<PredictEvent> {
  inferenceOptions(request.options);
  const model = await open();
  try {
    const { labels } = model;
    const dataset = await within('data', () => readDataset(asTheModel(request.data, labels), 'empty texts'));
    if (LABELS[labels.problem].pairs && !dataset.seconds) throw needsPairs(request.data);
    for (const message of emptyTexts(dataset)) yield { kind: 'warning', message };
    const logits = yield* runRows(model, dataset, request.options, signal);
    const { answer } = PROBLEMS[labels.problem];
    for (let from = 0; from < dataset.rows; from += ROWS_AT_ONCE) {
      const rows = Array.from({ length: Math.min(ROWS_AT_ONCE, dataset.rows - from) }, (_, i) => {
        const ofRow = rowOf(logits, from + i);
        const row = { text: dataset.texts[from + i], words: dataset.words?.[from + i] };
        const found = answer(ofRow, labels, row);
        return { row: rowNumber(dataset, from + i), ...found, logits: logits.words ? [] : Array.from(ofRow) };
      });
      yield { kind: 'rows', rows };
    }
  } finally {
    await model.close();
  }
}

/** Error of rows of one text for a model that compares two. */
export const needsPairs = ({ path }: DataSource) =>
  invalidPart('data.textColumns', `${path}: the model needs pairs; give two text columns`);

/** Warning about rows with an empty text, or with both of a pair empty. */
export function emptyTexts(dataset: Dataset): string[] {
  const { texts, seconds, rows } = dataset;
  const empty: number[] = [];
  for (let row = 0; row < rows; row++) {
    if (texts[row].trim() === '' || seconds?.[row].trim() === '') empty.push(row);
  }
  if (empty.length === 0) return [];
  const [first] = empty;
  const found =
    empty.length === 1
      ? `${rowName(dataset, first)} has`
      : `${empty.length} rows, the first ${rowName(dataset, first)}, have`;
  return [`${found} an empty text, which is predicted like any other`];
}

/**
 * Labels and task of a model with its own task head. The task is null unless it is a GLUE task that
 * the labels fit.
 */
export function meaningOf(info: TaskHeadInfo): Pick<TunedModel, 'labels' | 'task'> {
  const labels = labelsOf(info);
  return { labels, task: TASK_NAMES.find((name) => name === info.task && solves(labels, name)) ?? null };
}

/** Source whose labels are read by the model's problem. A task knows its own problem. */
const asTheModel = (data: DataSource, labels: LabelSet): DataSource =>
  data.task ? data : { ...data, problem: labels.problem, regression: undefined };

/** Returns true if a model with these labels has the task's problem, and as many classes. */
function solves({ problem, names }: LabelSet, task: TaskName): boolean {
  const { labels } = TASKS[task];
  return problem === labels.problem && names.length === labels.names.length;
}

const kindOf = ({ problem, names }: LabelSet) => LABELS[problem].described(names);

/** Runs all rows through the model. Ends between two batches if `signal` aborts. */
export async function* runRows(
  model: Pick<TunedModel, 'config' | 'folder' | 'logits'>,
  dataset: Dataset,
  { batchSize, maxLength, longTexts, stride }: InferenceOptions,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, Logits> {
  const { config, folder } = model;
  const options = windowOptions({ maxLength: Math.min(maxLength, config.maxPositions), longTexts, stride });
  const tokenizer = await within('model', () => loadTokenizer(folder));
  const rows = await within('data', () => windowRows(dataset, tokenizer, options, config));
  const meter = new StageMeter('evaluate', rows.windows.length, 'rows');
  const logits = yield* relayed(model.logits(rows.windows, batchSize), async function* (done) {
    yield* meter.due(done);
    await breathe(signal);
  });
  return rowLogits(rows, finite(logits, dataset, rows));
}

/** Checks logits. @throws FAILED with the first row whose logits are not finite */
function finite(logits: Logits, dataset: Dataset, { windows, starts }: WindowedRows): Logits {
  const { values, outputs } = logits;
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return logits;
  const answer = Math.floor(at / outputs);
  let answers = 0;
  const window = windows.findIndex(({ asked }) => (answers += asked?.at.length ?? 1) > answer);
  const row = starts.findLastIndex((start) => start <= window);
  const found = values.subarray(answer * outputs, (answer + 1) * outputs).join(', ');
  throw failed(`${rowName(dataset, row)} has the logits [${found}]; they must be finite`);
}
