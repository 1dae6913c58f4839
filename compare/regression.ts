import * as fs from 'node:fs';
import * as path from 'node:path';
import { embed } from '../analyzer/analysis-engine';
import type { Targets } from '../data/label-reading';
import { logitCount } from '../data/problem';
import { predictions, score } from '../delta/logits';
import { isBetter, type Quality, qualityOf } from '../delta/metrics';
import { metricsOf } from '../delta/problems';
import { answersOf } from '../delta/row-answers';
import { breathe } from '../foundation/breathe';
import type { Checkpoint } from '../model/checkpoint';
import type { ComparedData } from './data';
import { progressOf } from './engine-progress';
import { type EmbeddingFile, featuresOf } from './features';
import { fitLogistic, type LogisticModel, logisticLogits, type Matrix } from './logistic';
import { LOGISTIC } from './methods';
import { writePredictions } from './predictions';
import type { CompareEvent, CompareRequest } from './request';
import { type RunRecord, writeRun } from './run-record';
import type { SeedInputs } from './seed-inputs';

/** Inverse penalties, compared on the dev rows. Of equals the smallest wins: it shrinks most. */
const PENALTIES = [1e-3, 1e-2, 1e-1, 1, 10, 100, 1000];

/** Rows predicted at once. */
const BLOCK = 4096;

/** Embeds the rows of all files, once for all seeds. */
export async function* embeddedFiles(
  { model, train, test, training, engine, out }: CompareRequest,
  { pool, further }: ComparedData,
  { config }: Pick<Checkpoint, 'config'>,
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, EmbeddingFile[]> {
  const files: EmbeddingFile[] = [];
  for (const [i, data] of [train, ...test].entries()) {
    const file = path.join(out, 'state', `embeddings-${i}.f32`);
    const { maxLength } = training;
    if (!fs.existsSync(file)) {
      fs.mkdirSync(path.dirname(file), { recursive: true });
      yield* progressOf(embed({ model, data, maxLength, ...engine, out: file }, signal));
    }
    const { rows, seconds } = [pool, ...further][i];
    files.push({ file, rows, width: config.hiddenSize, pairs: seconds !== undefined });
  }
  return files;
}

/** Fits logistic regression on mean-pooled embeddings; the dev rows choose its penalty. */
export async function* fitRegression(
  request: CompareRequest & Pick<Checkpoint, 'parameters'>,
  inputs: SeedInputs,
  { pool, further, targets, furtherTargets, labels }: ComparedData,
  files: EmbeddingFile[],
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, RunRecord> {
  const { seed, rows } = inputs;
  const { split } = rows;
  const metrics = metricsOf(pool.task, labels);
  const classes = logitCount(labels);
  const started = performance.now();
  const ofPool = (part: Int32Array) => ({
    x: featuresOf(files[0], part),
    y: pick(targets, part),
  });
  const [train, dev] = [ofPool(split.train), ofPool(split.dev)];
  const logits = (model: LogisticModel, x: Matrix) => ({ values: logisticLogits(model, x), outputs: classes });
  const answers = (model: LogisticModel, x: Matrix) => predictions(logits(model, x), labels) as number[];
  let best: { c: number; model: LogisticModel; dev: Quality } | undefined;
  for (const [i, c] of PENALTIES.entries()) {
    yield { kind: 'progress', stage: 'regression', done: i, total: PENALTIES.length, unit: 'penalties' };
    await breathe(signal);
    const model = fitLogistic(train.x, train.y, classes, c);
    const value = qualityOf(metrics, score(logits(model, dev.x), dev.y, labels, metrics), rows.byLoss);
    if (best === undefined || isBetter(value, best.dev)) best = { c, model, dev: value };
  }
  const { c, model, dev: chosen } = best!;
  const fitted = performance.now();
  const every = (count: number) => Int32Array.from({ length: count }, (_, row) => row);
  const predicted: number[] = [];
  for (const [i, part] of [split.test, ...further.map((set) => every(set.rows))].entries()) {
    for (let at = 0; at < part.length; at += BLOCK) {
      for (const answer of answers(model, featuresOf(files[i], part.subarray(at, at + BLOCK)))) predicted.push(answer);
      await breathe(signal);
    }
  }
  const y = [
    ...pick(targets, split.test),
    ...furtherTargets.flatMap((values) => Array.from(values as ArrayLike<number>)),
  ];
  const record: RunRecord = {
    schemaVersion: 1,
    contestant: LOGISTIC,
    seed,
    lr: null,
    rows: { train: rows.counts.train, dev: rows.counts.dev },
    metric: metrics.best,
    dev: { ...chosen, epoch: null },
    test: { rows: y.length, metrics: metrics.compute(predicted, y) },
    heads: [],
    trainableParameters: 0,
    taskHeadParameters: model.weights.length + model.biases.length,
    totalParameters: request.parameters,
    c,
    seconds: { selection: 0, run: (fitted - started) / 1000, test: (performance.now() - fitted) / 1000 },
    peakRssBytes: null,
  };
  writePredictions(request.out, record, answersOf(predicted, y, labels));
  writeRun(request.out, record);
  return record;
}

/** Classes of some rows: no other problem gets here. */
const pick = (values: Targets, rows: Int32Array) => Array.from(rows, (row) => values[row] as number);
