import * as fs from 'node:fs';
import * as path from 'node:path';
import { TRAIN_DEFAULTS, type TrainMetrics } from '../delta/training-options';
import type { FurtherTuning } from '../delta/tuning';
import { peakOf } from '../foundation/process-memory';
import type { Mask } from '../heads/mask';
import { SELECTION_DEFAULTS, type SelectionOptions, selectHeads } from '../heads/select';
import type { Engine } from '../infra/engine';
import type { ModelConfig } from '../model/config';
import { clearState } from '../trainer/state';
import { evaluate, train } from '../trainer/training-engine';
import { unlessDiverged } from './divergence';
import { progressOf } from './engine-progress';
import { furtherOf, type MaskedMethod, selectionOf } from './methods';
import { writePredictions } from './predictions';
import type { CompareEvent, CompareRequest } from './request';
import type { PlacedRun, RunResult } from './run-place';
import { type RunRecord, runName, writeRun } from './run-record';
import type { SeedInputs } from './seed-inputs';
import { removeTrained, trainedFolder } from './trained-folder';

/** Options of the selection for a method; `random` draws other heads for each seed. */
export function selectionFor(
  method: MaskedMethod,
  { size, tune }: Pick<CompareRequest, 'size' | 'tune'>,
  seed: number,
): SelectionOptions {
  const { k: _, ...defaults } = SELECTION_DEFAULTS;
  return { ...defaults, ...size, tune, seed, ...selectionOf(method) };
}

/** A run with all that it depends on, except what a method tunes beside heads. */
export function runOf(
  request: CompareRequest,
  inputs: SeedInputs,
  { contestant: method, lr }: { contestant: MaskedMethod; lr: number },
): PlacedRun {
  const { training, engine } = request;
  const { seed, rows, analysisOptions: analysis } = inputs;
  return {
    name: runName({ contestant: method, seed, lr }),
    train: rows.train,
    dev: rows.dev,
    analysis,
    selection: selectionFor(method, request, seed),
    training: { ...training, ...engine, lr, seed },
  };
}

/**
 * Trains a method with one seed and learning rate; {@link testMethod} removes its delta.
 *
 * @param engine runs the training, unless a gateway does
 */
export async function* trainMethod(
  request: CompareRequest,
  inputs: SeedInputs,
  { contestant: method, lr }: { contestant: MaskedMethod; lr: number },
  { config, engine }: { config: ModelConfig; engine: Engine },
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, RunRecord> {
  const { out, place } = request;
  const { seed, rows } = inputs;
  const key = { contestant: method, seed, lr };
  const run = runOf(request, inputs, key);
  const folder = trainedFolder(out, key);
  fs.mkdirSync(folder, { recursive: true });
  const further = furtherOf(method, config);
  const elsewhere = further ? undefined : place;
  const {
    mask,
    metrics,
    failure,
    measuredSeconds,
    trainedSeconds = 0,
  } = yield* elsewhere
    ? elsewhere.result(run, folder, signal)
    : trainedHere(request.model, run, inputs, { further, engine }, folder, signal);
  const epochSeconds = sumOf(metrics?.epochs.map((epoch) => epoch.seconds) ?? []);
  const { peakRssBytes = 0 } = metrics ?? {};
  const record: RunRecord = {
    schemaVersion: 1,
    ...key,
    rows: { train: rows.counts.train, dev: rows.counts.dev },
    metric: metrics?.metric ?? '',
    dev: metrics ? devOf(metrics, rows.byLoss) : null,
    ...(failure !== undefined && { failure }),
    test: null,
    ...sizesOf(mask, metrics),
    seconds: {
      selection: usesMeasurement(run.selection.strategy) ? measuredSeconds : 0,
      // The checkpoint of an interrupted run has the seconds of its epochs.
      run: Math.max(trainedSeconds, epochSeconds),
      test: 0,
    },
    // The engine's peak includes its parent process, whose memory serves all methods.
    peakRssBytes: metrics ? Math.max(0, peakRssBytes - (elsewhere ? 0 : peakOf('self'))) : null,
  };
  writeRun(out, record);
  if (metrics) clearState(path.join(folder, 'state'));
  else removeTrained(out, key);
  return record;
}

/** Measures, selects and trains in child processes of this one. */
async function* trainedHere(
  model: string,
  { train: rows, dev, selection, training: options }: PlacedRun,
  inputs: SeedInputs,
  { further, engine }: { further: FurtherTuning | undefined; engine: Engine },
  folder: string,
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, RunResult> {
  const { measured, seconds } = yield* inputs.measured(selection, signal);
  const mask = selectHeads(measured, selection);
  const request = { model, train: rows, dev, mask, further, options };
  const started = performance.now();
  const events = train({ ...request, out: folder, prefixes: inputs.prefixes, resume: true }, signal, { engine });
  const { result: metrics, failure } = yield* unlessDiverged(events);
  return { mask, metrics, failure, measuredSeconds: seconds, trainedSeconds: (performance.now() - started) / 1000 };
}

/** Tests a method trained by {@link trainMethod} on all test rows. */
export async function* testMethod(
  request: CompareRequest,
  inputs: SeedInputs,
  record: RunRecord,
  engine: Engine,
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, RunRecord> {
  const { model, training, out } = request;
  const started = performance.now();
  const delta = path.join(trainedFolder(out, record), 'delta');
  // The training's batch size may be small for reasons that do not hold for the test.
  const { maxLength, longTexts, stride, precision } = training;
  const options = {
    ...request.engine,
    batchSize: TRAIN_DEFAULTS.batchSize,
    ...{ maxLength, longTexts, stride, precision },
  };
  const test = { model, delta, data: inputs.rows.test, answers: true, options };
  const { rows, metrics, answers } = yield* progressOf(evaluate(test, signal, { engine }));
  const seconds = { ...record.seconds, test: (performance.now() - started) / 1000 };
  const whole = { ...record, test: { rows, metrics }, seconds };
  writePredictions(out, record, answers!);
  writeRun(out, whole);
  removeTrained(out, record);
  return whole;
}

const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** True if a strategy chooses heads by a measurement. */
const usesMeasurement = (strategy: string) => !['random', 'all', 'none'].includes(strategy);

function sizesOf(mask: Mask, metrics: TrainMetrics | undefined) {
  return {
    heads: mask.heads.map(({ layer, head }): [number, number] => [layer, head]),
    trainableParameters: metrics?.trainableParameters ?? 0,
    taskHeadParameters: metrics?.taskHeadParameters ?? 0,
    totalParameters: mask.totalParameters,
  };
}

const devOf = ({ best, epochs }: TrainMetrics, byLoss: boolean) => ({
  ...best,
  ...(byLoss && { loss: epochs[best.epoch - 1].dev.loss }),
});
