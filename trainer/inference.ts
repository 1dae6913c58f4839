import { encodeRows } from '../data/batches';
import { type DataSource, type Dataset, readDataset, rowNumber } from '../data/dataset';
import type { LabelSet } from '../data/labels';
import { encodeLabels } from '../data/labels';
import { TASK_NAMES, TASKS, type TaskName, taskNamed } from '../data/tasks';
import { cancelled, failed, invalidInput } from '../errors';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import { loadTokenizer } from '../model/tokenizer';
import { StageMeter, type StageProgress } from '../progress';
import { readTaskHead } from '../results/classifier-config';
import { deltaParts, readDelta } from '../results/delta';
import { labelsOf } from '../results/delta-info';
import { metricsFor, problemOf } from '../results/metrics';
import { checkDevice } from './device';
import { Embeddings } from './embeddings';
import { evaluateRows, type Logits, predictions, score } from './evaluation';
import { allRows, tokenLimit } from './inputs';
import {
  type EvaluateRequest,
  type EvaluateResult,
  type PredictEvent,
  type TrainOptions,
  trainOptions,
} from './options';
import { ParameterLayout } from './parameters';
import { FreshRows } from './prefix';
import { Program } from './program';
import type { TensorFlow } from './session';

/** A model that can be asked: a base, the trained tensors on top of it and what its logits mean. */
interface TunedModel {
  checkpoint: Checkpoint;
  mask: { heads: { layer: number; head: number; score: number }[]; tune: 'qkv' | 'qkvo' };
  /** Trained tensors by canonical name. */
  tensors: Map<string, { shape: number[]; values: Float32Array }>;
  labels: LabelSet;
  task: TaskName | null;
}

/**
 * The metrics of a tuned model on labelled rows.
 *
 * @throws INVALID_INPUT for a delta of another base, a model without a task head, bad rows or labels that it lacks
 */
export async function* evaluate(
  tf: TensorFlow,
  request: EvaluateRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, EvaluateResult> {
  const options = trainOptions(request.options);
  checkDevice(tf, options.device);
  const model = await openModel(request);
  try {
    const { labels } = model;
    const task = request.data.task ? taskNamed(request.data.task) : model.task;
    if (task && !solves(labels, task)) {
      throw invalidInput(
        `${request.data.path}: the task ${task} asks for ${said(labelsOfTask(task))}; ${request.delta ?? request.model} was trained for ${said(labels)}`,
      );
    }
    const dataset = await readDataset(asTheModel(request.data, labels), 'labels');
    const targets = encodeLabels(dataset, labels, 'the model has');
    const logits = yield* run(tf, model, dataset, options, signal);
    const metrics = metricsFor(task, problemOf(labels));
    const { loss, ...scores } = score(logits, targets, labels.kind, metrics);
    return { task, metric: metrics.best, rows: dataset.rows, loss, metrics: scores };
  } finally {
    model.checkpoint.close();
  }
}

/** Predicted rows that are told of at once. */
const ROWS_AT_ONCE = 1000;

/** What a tuned model says of each row; no labels are needed. Rows come in the file's order, a thousand at a time. */
export async function* predict(
  tf: TensorFlow,
  request: EvaluateRequest,
  signal?: AbortSignal,
): AsyncGenerator<PredictEvent> {
  const options = trainOptions(request.options);
  checkDevice(tf, options.device);
  const model = await openModel(request);
  try {
    const { labels } = model;
    const dataset = await readDataset(request.data, 'texts');
    const logits = yield* run(tf, model, dataset, options, signal);
    const { values, outputs } = logits;
    const predicted = predictions(logits, labels.kind);
    for (let from = 0; from < dataset.rows; from += ROWS_AT_ONCE) {
      const rows = Array.from(predicted.subarray(from, from + ROWS_AT_ONCE), (prediction, i) => ({
        row: rowNumber(dataset, from + i),
        label: labels.kind === 'classes' ? labels.names[prediction] : prediction,
        logits: Array.from(values.subarray((from + i) * outputs, (from + i + 1) * outputs)),
      }));
      yield { kind: 'rows', rows };
    }
  } finally {
    model.checkpoint.close();
  }
}

/** The data with its labels read as what the model predicts, classes or numbers; a task knows its own. */
const asTheModel = (data: DataSource, labels: LabelSet): DataSource =>
  data.task ? data : { ...data, regression: labels.kind === 'regression' };

const labelsOfTask = (task: TaskName): LabelSet => {
  const { classes } = TASKS[task];
  return classes ? { kind: 'classes', names: [...classes] } : { kind: 'regression' };
};

/** Whether a model with these labels has the task's kind of answer, and as many classes. */
function solves(labels: LabelSet, task: TaskName): boolean {
  const asked = labelsOfTask(task);
  if (labels.kind === 'regression' || asked.kind === 'regression') return labels.kind === asked.kind;
  return labels.names.length === asked.names.length;
}

const said = (labels: LabelSet) => (labels.kind === 'regression' ? 'a regression' : `${labels.names.length} classes`);

async function openModel(request: EvaluateRequest): Promise<TunedModel> {
  const checkpoint = await openCheckpoint(request.model, request.modelName);
  try {
    return request.delta ? withDelta(checkpoint, request.delta) : withOwnHead(checkpoint);
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

function withDelta(checkpoint: Checkpoint, folder: string): TunedModel {
  const { info, tensors } = readDelta(folder, checkpoint);
  const canonical = new Map(
    deltaParts(checkpoint, info).map(({ name, canonical }) => [canonical, tensors.get(name)!] as const),
  );
  const task = info.task ? taskNamed(info.task) : null;
  return { checkpoint, mask: info.mask, tensors: canonical, labels: labelsOf(info), task };
}

/**
 * A checkpoint with a task head of its own: nothing of it is tuned here. The task that it names may be any text, and is taken
 * where it is one of ours.
 */
function withOwnHead(checkpoint: Checkpoint): TunedModel {
  const head = readTaskHead(checkpoint);
  if (!head) {
    throw invalidInput(
      `${checkpoint.name} has no task head; give the --delta that was trained on it, or a merged checkpoint`,
    );
  }
  const labels = labelsOf(head.info);
  const task = TASK_NAMES.find((name) => name === head.info.task && solves(labels, name)) ?? null;
  return { checkpoint, mask: { heads: [], tune: 'qkv' }, tensors: head.tensors, labels, task };
}

/** Runs every row through the whole network, likes with likes. */
async function* run(
  tf: TensorFlow,
  { checkpoint, mask, tensors, labels }: TunedModel,
  dataset: Dataset,
  options: Pick<TrainOptions, 'batchSize' | 'maxLength'>,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, Logits> {
  const maxLength = tokenLimit(checkpoint, options.maxLength);
  const rows = encodeRows(dataset, allRows(dataset), loadTokenizer(checkpoint.folder), maxLength, checkpoint.config);
  const layout = new ParameterLayout([...tensors].map(([name, { shape }]) => ({ name, shape })));
  const outputs = labels.kind === 'classes' ? labels.names.length : 1;
  const program = new Program(tf, { checkpoint, mask, layout, outputs, problem: labels.kind });
  const parameters = program.hold(layout.gather(({ name }) => tensors.get(name)!.values));
  try {
    const hidden = new FreshRows({ program, checkpoint, embeddings: new Embeddings(checkpoint) }, rows);
    const meter = new StageMeter('evaluate', rows.length, 'rows');
    const batches = evaluateRows((batch) => program.logits(parameters, batch), hidden, options.batchSize);
    for (;;) {
      const { done, value } = await batches.next();
      if (done) return finite(value, dataset);
      yield* meter.due(value);
      await new Promise(setImmediate);
      if (signal?.aborted) throw cancelled();
    }
  } finally {
    parameters.dispose();
    program.close();
  }
}

/** @throws FAILED naming the first row with a logit that is no finite number */
function finite(logits: Logits, dataset: Dataset): Logits {
  const { values, outputs } = logits;
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return logits;
  const row = Math.floor(at / outputs);
  const found = values.subarray(row * outputs, (row + 1) * outputs).join(', ');
  throw failed(`${dataset.path}: row ${rowNumber(dataset, row)} has the logits [${found}]: no finite numbers`);
}
