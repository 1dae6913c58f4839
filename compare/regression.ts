import * as fs from 'node:fs';
import * as path from 'node:path';
import { embed } from '../analyzer/analysis-engine';
import { metricsOf } from '../delta/problems';
import { answersOf } from '../delta/row-answers';
import type { Checkpoint } from '../model/checkpoint';
import { type ComparedData, classesOf, testClasses } from './data';
import { progressOf } from './engine-progress';
import { type EmbeddingFile, featuresOf } from './features';
import { LOGISTIC } from './methods';
import { everyRow, predictedClasses, searchPenalty } from './penalty-search';
import { writePredictions } from './predictions';
import type { CompareEvent, CompareRequest } from './request';
import { type RunRecord, writeRun } from './run-record';
import type { SeedInputs } from './seed-inputs';

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
  data: ComparedData,
  files: EmbeddingFile[],
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, RunRecord> {
  const { pool, further, targets, labels } = data;
  const { seed, rows } = inputs;
  const { split, byLoss } = rows;
  const metrics = metricsOf(pool.task, labels);
  const started = performance.now();
  const ofPool = (part: Int32Array) => ({ x: featuresOf(files[0], part), y: classesOf(targets, part) });
  const fitted = { train: ofPool(split.train), dev: ofPool(split.dev) };
  const { c, model, dev } = yield* searchPenalty(fitted, { labels, metrics, byLoss }, signal);
  const chosen = performance.now();
  const tested = [split.test, ...further.map((set) => everyRow(set.rows))];
  const parts = tested.map((part, i) => ({ file: files[i], rows: part }));
  const predicted = await predictedClasses(model, parts, labels, signal);
  const y = testClasses(data, split);
  const record: RunRecord = {
    schemaVersion: 1,
    contestant: LOGISTIC,
    seed,
    lr: null,
    rows: { train: rows.counts.train, dev: rows.counts.dev },
    metric: metrics.best,
    dev: { ...dev, epoch: null },
    test: { rows: y.length, metrics: metrics.compute(predicted, y) },
    heads: [],
    trainableParameters: 0,
    taskHeadParameters: model.weights.length + model.biases.length,
    totalParameters: request.parameters,
    c,
    seconds: { selection: 0, run: (chosen - started) / 1000, test: (performance.now() - chosen) / 1000 },
    peakRssBytes: null,
  };
  writePredictions(request.out, record, answersOf(predicted, y, labels));
  writeRun(request.out, record);
  return record;
}
