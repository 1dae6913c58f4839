import { type Encoded, encodeRows, evaluationBatches, lengthsOf } from '../data/batches';
import { type DataSource, type Dataset, readDataset, rowNumber } from '../data/dataset';
import type { LabelSet } from '../data/labels';
import { encodeLabels } from '../data/labels';
import { type TaskName, taskNamed } from '../data/tasks';
import { cancelled, invalidInput } from '../errors';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import { loadTokenizer } from '../model/tokenizer';
import { StageMeter, type StageProgress } from '../progress';
import { readTaskHead } from './checkpoint-export';
import { deltaParts, readDelta } from './delta';
import { checkDevice } from './device';
import { Embeddings } from './embeddings';
import { Encoder } from './encoder';
import { type Logits, predictions, score } from './evaluation';
import { allRows, tokenLimit } from './inputs';
import { metricsFor } from './metrics';
import { assembleNetwork, evaluateBatch } from './network';
import type { Ops } from './ops';
import type { EvaluateRequest, EvaluateResult, PredictEvent } from './options';
import { runFrozen } from './prefix';

import { taskHeadNames } from './task-head';

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
  ops: Ops,
  request: EvaluateRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, EvaluateResult> {
  checkDevice(ops, request.options.device);
  const model = await openModel(request);
  try {
    const { labels, task } = model;
    const dataset = readDataset(withProblem(request.data, labels), 'labels');
    const targets = encodeLabels(dataset, labels, 'the model has');
    const logits = yield* run(ops, model, dataset, request, signal);
    const kind =
      labels.kind === 'classes' ? { kind: labels.kind, classes: labels.names.length } : { kind: labels.kind };
    const metrics = metricsFor(dataset.task ?? task, kind);
    const { loss, ...scores } = score(logits, targets, labels.kind, metrics);
    const result = { task: dataset.task ?? task, metric: metrics.best, rows: dataset.rows, loss, metrics: scores };
    return result;
  } finally {
    model.checkpoint.close();
  }
}

/** What a tuned model says of each row; no labels are needed. Rows come in the file's order. */
export async function* predict(ops: Ops, request: EvaluateRequest, signal?: AbortSignal): AsyncGenerator<PredictEvent> {
  checkDevice(ops, request.options.device);
  const model = await openModel(request);
  try {
    const { labels } = model;
    const dataset = readDataset(request.data, 'texts');
    const logits = yield* run(ops, model, dataset, request, signal);
    const { values, outputs } = logits;
    const rows = Array.from(predictions(logits, labels.kind), (prediction, index) => ({
      row: rowNumber(dataset, index),
      label: labels.kind === 'classes' ? labels.names[prediction] : prediction,
      logits: Array.from(values.subarray(index * outputs, (index + 1) * outputs)),
    }));
    yield { kind: 'rows', rows };
  } finally {
    model.checkpoint.close();
  }
}

/** The data's own word on whether it is a regression is the model's to say. */
const withProblem = (data: DataSource, labels: LabelSet): DataSource =>
  data.task ? data : { ...data, regression: labels.kind === 'regression' };

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
  const labels: LabelSet = info.id2label
    ? { kind: 'classes', names: Object.values(info.id2label) }
    : { kind: 'regression' };
  return { checkpoint, mask: info.mask, tensors: canonical, labels, task: info.task ? taskNamed(info.task) : null };
}

/** A checkpoint with a task head of its own: nothing of it is tuned here. */
function withOwnHead(checkpoint: Checkpoint): TunedModel {
  const head = readTaskHead(checkpoint);
  if (!head) {
    throw invalidInput(
      `${checkpoint.name} has no task head; give the --delta that was trained on it, or a merged checkpoint`,
    );
  }
  const labels: LabelSet = head.info.id2label
    ? { kind: 'classes', names: Object.values(head.info.id2label) }
    : { kind: 'regression' };
  return { checkpoint, mask: { heads: [], tune: 'qkv' }, tensors: head.tensors, labels, task: null };
}

/** Runs every row through the whole network, likes with likes. */
async function* run(
  ops: Ops,
  { checkpoint, mask, tensors }: TunedModel,
  dataset: Dataset,
  { options }: EvaluateRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, Logits> {
  const maxLength = tokenLimit(checkpoint, options.maxLength);
  const rows = encodeRows(dataset, allRows(dataset), loadTokenizer(checkpoint.folder), maxLength);
  const encoder = new Encoder(ops, checkpoint, mask);
  const trained = new Map([...tensors].map(([name, { shape, values }]) => [name, ops.floats(values, shape)]));
  try {
    const embeddings = new Embeddings(checkpoint);
    const meter = new StageMeter('evaluate', rows.length, 'rows');
    const forward = (batch: Encoded[]) => {
      const hidden = runFrozen({ ops, checkpoint, encoder, embeddings }, batch);
      return ops.tidy(() => {
        const network = assembleNetwork(checkpoint.config, encoder, taskHeadNames(checkpoint.config), trained);
        return evaluateBatch(ops, network, hidden).dataSync() as Float32Array;
      });
    };
    const outputs = trained.get(`${taskHeadNames(checkpoint.config).classifier}.bias`)!.shape[0]!;
    const values = new Float32Array(rows.length * outputs); // [n, C]
    let done = 0;
    for (const batch of evaluationBatches(lengthsOf(rows), options.batchSize)) {
      const logits = forward(Array.from(batch, (row) => rows[row]));
      batch.forEach((row, i) => {
        values.set(logits.subarray(i * outputs, (i + 1) * outputs), row * outputs);
      });
      done += batch.length;
      yield* meter.due(done);
      await new Promise(setImmediate);
      if (signal?.aborted) throw cancelled();
    }
    return { values, outputs };
  } finally {
    ops.dispose([...trained.values()]);
    encoder.dispose();
  }
}
