import * as fs from 'node:fs';
import * as path from 'node:path';
import { metricsOf } from '../delta/problems';
import { answersOf } from '../delta/row-answers';
import { TRAIN_DEFAULTS } from '../delta/training-options';
import { peakOf } from '../foundation/process-memory';
import type { Checkpoint } from '../model/checkpoint';
import { BODY_FILE } from '../trainer/body-training';
import { clearState } from '../trainer/state';
import { embedWithBody, tuneBody } from '../trainer/training-engine';
import { type ComparedData, classesOf, testClasses } from './data';
import { unlessDiverged } from './divergence';
import { progressOf } from './engine-progress';
import { type EmbeddingFile, featuresOf } from './features';
import { fitLogistic } from './logistic';
import { SETFIT } from './methods';
import { everyRow, type LabelledFeatures, predictedClasses, searchPenalty } from './penalty-search';
import { writePredictions } from './predictions';
import type { CompareEvent, CompareRequest } from './request';
import { type RunKey, type RunRecord, writeRun } from './run-record';
import type { SeedInputs } from './seed-inputs';
import { removeTrained, trainedFolder } from './trained-folder';

/** Parts of a comparison that a run of `setfit` depends on. */
interface SetfitParts {
  request: CompareRequest;
  data: ComparedData;
  checkpoint: Pick<Checkpoint, 'config' | 'parameters'>;
}

/** Sets of a seed's rows, each of which has a file of embeddings. */
type RowSet = 'train' | 'dev' | 'test';

/**
 * Tunes the whole model on pairs of training rows, then fits logistic regression on the tuned
 * embeddings of these rows (SetFit: Tunstall et al. 2022). The dev rows choose the penalty. An
 * embedding is the mean over a row's tokens, as for `logistic`; a pair of texts is one sequence.
 * {@link testSetfit} removes what it trained.
 */
export async function* trainSetfit(
  parts: SetfitParts,
  inputs: SeedInputs,
  lr: number,
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, RunRecord> {
  const { request, data, checkpoint } = parts;
  const { model, engine, out } = request;
  const { seed, rows } = inputs;
  const { epochs, batchSize, warmup, weightDecay, maxLength, precision } = request.training;
  const options = { epochs, batchSize, warmup, weightDecay, maxLength, precision, ...engine, lr, seed };
  const key: RunKey = { contestant: SETFIT, seed, lr };
  const folder = trainedFolder(out, key);
  fs.mkdirSync(folder, { recursive: true });
  const metrics = metricsOf(data.pool.task, data.labels);
  const started = performance.now();
  const since = (from: number) => (performance.now() - from) / 1000;
  const { result: body, failure } = yield* unlessDiverged(
    tuneBody({ model, train: rows.train, options, out: folder }, signal),
  );
  const trained: RunRecord = {
    schemaVersion: 1,
    ...key,
    rows: { train: rows.counts.train, dev: rows.counts.dev },
    metric: metrics.best,
    dev: null,
    ...(failure !== undefined && { failure }),
    test: null,
    heads: [],
    trainableParameters: body?.trainableParameters ?? 0,
    taskHeadParameters: 0,
    totalParameters: checkpoint.parameters,
    // The checkpoint of an interrupted run has the seconds of its steps.
    seconds: { selection: 0, run: Math.max(since(started), body?.seconds ?? 0), test: 0 },
    peakRssBytes: body ? Math.max(0, body.peakRssBytes - peakOf('self')) : null,
  };
  if (!body) {
    writeRun(out, trained);
    removeTrained(out, key);
    return trained;
  }
  const embedding = performance.now();
  yield* embedded(request, inputs, folder, ['train', 'dev'], signal);
  const fitted = { train: featuresIn(parts, inputs, folder, 'train'), dev: featuresIn(parts, inputs, folder, 'dev') };
  const { labels } = data;
  const { c, model: head, dev } = yield* searchPenalty(fitted, { labels, metrics, byLoss: rows.byLoss }, signal);
  const record: RunRecord = {
    ...trained,
    dev: { ...dev, epoch: null },
    taskHeadParameters: head.weights.length + head.biases.length,
    c,
    seconds: { ...trained.seconds, run: trained.seconds.run + since(embedding) },
  };
  writeRun(out, record);
  clearState(path.join(folder, 'state'));
  return record;
}

/** Tests a run of {@link trainSetfit} on all test rows. */
export async function* testSetfit(
  parts: SetfitParts,
  inputs: SeedInputs,
  record: RunRecord,
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, RunRecord> {
  const { request, data, checkpoint } = parts;
  const { out } = request;
  const { pool, labels } = data;
  const started = performance.now();
  const folder = trainedFolder(out, record);
  yield* embedded(request, inputs, folder, ['test'], signal);
  const { x, y } = featuresIn(parts, inputs, folder, 'train');
  const head = fitLogistic(x, y, labels.names.length, record.c as number);
  const file = fileOf(inputs, folder, 'test', checkpoint);
  const predicted = await predictedClasses(head, [{ file, rows: everyRow(file.rows) }], labels, signal);
  const expected = testClasses(data, inputs.rows.split);
  const metrics = metricsOf(pool.task, labels).compute(predicted, expected);
  const seconds = { ...record.seconds, test: (performance.now() - started) / 1000 };
  const whole = { ...record, test: { rows: expected.length, metrics }, seconds };
  writePredictions(out, record, answersOf(predicted, expected, labels));
  writeRun(out, whole);
  removeTrained(out, record);
  return whole;
}

/** Embeds sets of rows with the body that a run has tuned. */
function embedded(
  { model, engine, training: { maxLength, precision } }: CompareRequest,
  { rows }: SeedInputs,
  folder: string,
  wanted: readonly RowSet[],
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, void> {
  const sets = wanted.map((set) => ({ data: rows[set], out: embeddingsIn(folder, set) }));
  const options = { maxLength, precision, ...engine, batchSize: TRAIN_DEFAULTS.batchSize };
  return progressOf(embedWithBody({ model, body: path.join(folder, BODY_FILE), sets, options }, signal));
}

const embeddingsIn = (folder: string, set: RowSet) => path.join(folder, `${set}.f32`);

const fileOf = (
  { rows }: SeedInputs,
  folder: string,
  set: RowSet,
  { config }: SetfitParts['checkpoint'],
): EmbeddingFile => ({
  file: embeddingsIn(folder, set),
  rows: rows.counts[set],
  width: config.hiddenSize,
  pairs: false,
});

function featuresIn(
  { data, checkpoint }: SetfitParts,
  inputs: SeedInputs,
  folder: string,
  set: 'train' | 'dev',
): LabelledFeatures {
  const file = fileOf(inputs, folder, set, checkpoint);
  return { x: featuresOf(file, everyRow(file.rows)), y: classesOf(data.targets, inputs.rows.split[set]) };
}
