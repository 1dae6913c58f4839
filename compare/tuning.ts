import * as fs from 'node:fs';
import * as path from 'node:path';
import { isBetter } from '../delta/metrics';
import { countNumbers, tunedSlices } from '../delta/slices';
import { TRAIN_DEFAULTS, type TrainMetrics } from '../delta/training-options';
import { HifiError } from '../foundation/errors';
import { peakOf } from '../foundation/process-memory';
import type { Mask } from '../heads/mask';
import { SELECTION_DEFAULTS, type SelectionOptions, selectHeads } from '../heads/select';
import type { ModelConfig } from '../model/config';
import { clearState } from '../trainer/state';
import { evaluate, train } from '../trainer/training-engine';
import { type Contestant, FULL, type LOGISTIC, selectionOf } from './contestants';
import { passed } from './passed';
import type { CompareEvent, CompareRequest } from './request';
import { type RunKey, type RunRecord, readRun, runName, writeRun } from './run-record';
import type { SeedMaterial } from './seed-inputs';

type Tuned = Exclude<Contestant, typeof LOGISTIC>;

/** The options that a contestant's heads are chosen by; `random` draws others for each seed. */
export function selectionFor(
  contestant: Tuned,
  { size, tune }: Pick<CompareRequest, 'size' | 'tune'>,
  seed: number,
): SelectionOptions {
  const { strategy, ranking } = selectionOf(contestant);
  const { k: _, ...defaults } = SELECTION_DEFAULTS;
  return { ...defaults, ...ranking, strategy, ...size, tune, seed };
}

/** Trains one contestant with one seed and learning rate; its delta is kept until {@link tested} or {@link dropped}. */
export async function* tuned(
  request: CompareRequest,
  material: SeedMaterial,
  { contestant, lr }: { contestant: Tuned; lr: number },
  config: ModelConfig,
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, RunRecord> {
  const { model, training, engine, out } = request;
  const { seed, rows } = material;
  const key = { contestant, seed, lr };
  const options = selectionFor(contestant, request, seed);
  const { measured, seconds } = yield* material.measured(options.strategy, signal);
  const chosen = selectHeads(measured, options);
  const mask = contestant === FULL ? wholeModel(chosen, config) : chosen;
  const folder = deltaFolder(out, key);
  fs.mkdirSync(folder, { recursive: true });
  const started = performance.now();
  const asked = { model, train: rows.train, dev: rows.dev, mask, options: { ...training, ...engine, lr, seed } };
  const { metrics, failure } = yield* attempt(
    train({ ...asked, out: folder, prefixes: material.prefixes, resume: true }, signal),
  );
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
      selection: goesBy(options.strategy) ? seconds : 0,
      // One that was cut has its epochs' seconds in its checkpoint, those of this process are the rest.
      run: Math.max((performance.now() - started) / 1000, sumOf(metrics?.epochs.map((epoch) => epoch.seconds) ?? [])),
      test: 0,
    },
    // The engine counts the process that started it, which holds here what all contestants share.
    peakRssBytes: metrics ? Math.max(0, metrics.peakRssBytes - peakOf('self')) : null,
  };
  writeRun(out, record);
  if (metrics) clearState(path.join(folder, 'state'));
  else dropped(out, key);
  return record;
}

/** Tests what {@link tuned} has trained on all rows that are left. */
export async function* tested(
  request: CompareRequest,
  material: SeedMaterial,
  record: RunRecord,
  signal: AbortSignal,
): AsyncGenerator<CompareEvent, RunRecord> {
  const { model, training, engine, out } = request;
  const started = performance.now();
  const delta = path.join(deltaFolder(out, record), 'delta');
  // A training in small batches is no reason to test in small ones.
  const options = { ...engine, batchSize: TRAIN_DEFAULTS.batchSize, maxLength: training.maxLength };
  const { rows, metrics } = yield* passed(evaluate({ model, delta, data: material.rows.test, options }, signal));
  const seconds = { ...record.seconds, test: (performance.now() - started) / 1000 };
  const whole = { ...record, test: { rows, metrics }, seconds };
  writeRun(out, whole);
  dropped(out, record);
  return whole;
}

/** A run that need not be trained again: it was tested, broke off, or has its delta still. */
export function trainedBefore(out: string, key: RunKey): RunRecord | undefined {
  const record = readRun(out, key);
  if (record === undefined || record.test !== null || record.dev === null) return record;
  return fs.existsSync(path.join(deltaFolder(out, key), 'delta', 'delta.json')) ? record : undefined;
}

/** Removes a run's delta. */
export function dropped(out: string, key: RunKey): void {
  fs.rmSync(deltaFolder(out, key), { recursive: true, force: true });
}

const deltaFolder = (out: string, key: RunKey) => path.join(out, 'state', 'trained', runName(key));

const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** Whether a strategy's heads are chosen by what was measured. */
const goesBy = (strategy: string) => !['random', 'all', 'none'].includes(strategy);

/** Every head, and the rest of the model with them. */
function wholeModel(allHeads: Mask, config: ModelConfig): Mask {
  const mask: Mask = { ...allHeads, tune: 'full' };
  const trainableParameters = countNumbers(tunedSlices(config, mask));
  return { ...mask, trainableParameters, share: trainableParameters / mask.totalParameters };
}

function sizesOf(mask: Mask, metrics: TrainMetrics | undefined) {
  return {
    heads: mask.heads.map(({ layer, head }): [number, number] => [layer, head]),
    trainableParameters: mask.trainableParameters,
    taskHeadParameters: metrics?.taskHeadParameters ?? 0,
    totalParameters: mask.totalParameters,
  };
}

/** A training whose loss is no number any more has lost, and is no reason to end the comparison. */
async function* attempt(
  events: AsyncGenerator<{ kind: string }, TrainMetrics>,
): AsyncGenerator<CompareEvent, { metrics?: TrainMetrics; failure?: string }> {
  try {
    return { metrics: yield* passed(events) };
  } catch (thrown) {
    const error = HifiError.from(thrown);
    if (error.code !== 'DIVERGED') throw thrown;
    return { failure: error.message };
  }
}

const devOf = ({ best, epochs }: TrainMetrics, byLoss: boolean) => ({
  ...best,
  ...(byLoss && { loss: epochs[best.epoch - 1].dev.loss }),
});

/**
 * Returns the best run on the dev rows, the first of equals; undefined if every learning rate
 * failed.
 */
export const bestOf = (records: readonly RunRecord[]): RunRecord | undefined =>
  records.reduce<RunRecord | undefined>(
    (so, record) => (record.dev && (!so?.dev || isBetter(record.dev, so.dev)) ? record : so),
    undefined,
  );
