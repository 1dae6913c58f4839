import { type Encoded, lengthsOf, padBatch } from '../data/batches';
import { cancelled, invalidInput, within } from '../foundation/errors';
import { clock, intervalSince, StageMeter } from '../foundation/progress';
import { usableCores } from '../foundation/usable-cores';
import { type AnalysisOptions, analysisOptions, reportOptions } from '../heads/analysis-options';
import type { AnalysisEvent, AnalyzeRequest, Shard } from '../heads/analysis-request';
import type { HeadReport } from '../heads/head-report';
import { readModelConfig } from '../model/config';
import { rankStatistics } from './head-report';
import { type LoadedModel, loadModel, type ModelSource } from './loaded-model';
import { MeasurePool, type MeasureSetup } from './measure-pool';
import { mostSamples, planBatches, sampleSizes, shardRange } from './plan';
import { encodeSample, readSample, reportData, rowNumbers, rowsOf, type Sample } from './sample';
import { mergeShards, reportOfShards, type ShardStatistics } from './shard';
import { isStable } from './stability';
import { type HeadStatistics, statisticsShape } from './statistics';

/** Source that loads each model on request and releases it after use. */
const UNCACHED: ModelSource = { take: loadModel, giveBack: (model) => model.release() };

/**
 * Measures and ranks the heads of a model on a dataset (HiFi §3; docs/method.md). The engine blocks
 * the thread, so this runs in a child process (see {@link AnalyzerEngine}).
 *
 * @throws HifiError INVALID_INPUT for an invalid model, dataset or option; CANCELLED within a batch
 *   of the signal
 */
export async function* analyze(
  request: AnalyzeRequest,
  signal?: AbortSignal,
  models?: ModelSource,
): AsyncGenerator<AnalysisEvent, HeadReport> {
  return yield* rank(yield* analyzeShard({ ...request, shard: { index: 0, count: 1 } }, signal, models));
}

/** Measures a shard, whole blocks of the sample. {@link merge} combines the shards. */
export async function* analyzeShard(
  request: AnalyzeRequest & { shard: Shard },
  signal?: AbortSignal,
  models: ModelSource = UNCACHED,
): AsyncGenerator<AnalysisEvent, ShardStatistics> {
  const started = performance.now();
  const options = analysisOptions(request.options ?? {});
  checkShard(request.shard, options);
  const sample = await within('data', () => readSample(request.data, mostSamples(options), options.seed));
  if (options.samples !== 'auto' && sample.rows.length < options.samples) {
    const message = `${sample.dataset.path} has ${sample.rows.length} ${sample.rows.length === 1 ? 'row' : 'rows'}, fewer than the ${options.samples} to sample: all are used`;
    yield { kind: 'warning', message };
  }

  if (signal?.aborted) throw cancelled();
  const loading = clock();
  yield new StageMeter('load', 1, 'models').at(0);
  const threads = options.threads ?? usableCores();
  // The workers start while the model is loaded.
  const setup = await within('model', () => measureSetup(request.model, options));
  const pool = new MeasurePool(setup, threads);
  try {
    const needs = { device: options.device, exact: options.exact, threads };
    const model = await within('model', () => models.take(request.model, needs));
    try {
      const loaded = intervalSince(loading, 'load');
      yield loaded;
      const { maxPositions } = model.config;
      const maxLength = Math.min(options.maxLength, maxPositions);
      if (maxLength < options.maxLength) {
        yield { kind: 'warning', message: `the model takes at most ${maxLength} tokens: longer texts are truncated` };
      }

      const { used, statistics } = yield* measureSample(sample, {
        ...{ options, model, pool, maxLength, signal },
        shard: request.shard,
      });
      const { headNorms, deviceUsed, description } = model;
      return {
        subject: {
          model: { ...description, name: request.modelName ?? description.name },
          data: reportData(used),
          options: reportOptions(options),
          headNorms,
          deviceUsed,
        },
        shardCount: request.shard.count,
        shards: [request.shard.index],
        statistics: statistics.toData(),
        elapsedSeconds: (performance.now() - started - (loaded.to - loaded.from)) / 1000,
      };
    } finally {
      await models.giveBack(model);
    }
  } finally {
    await pool.close();
  }
}

/**
 * Merges all shards of an analysis, in any order, into its report.
 *
 * @throws HifiError INVALID_INPUT if there are no shards, they are of different analyses, one is
 *   missing, or one occurs twice
 */
export async function* merge(
  shards: readonly ShardStatistics[],
  signal?: AbortSignal,
): AsyncGenerator<AnalysisEvent, HeadReport> {
  const [first, ...others] = shards;
  if (first === undefined) throw invalidInput('there are no shards to merge');
  const progress = new StageMeter('merge', shards.length, 'shards');
  let whole = first;
  yield progress.at(1);
  for (const [i, shard] of others.entries()) {
    if (signal?.aborted) throw cancelled();
    whole = mergeShards(whole, shard);
    yield progress.at(i + 2);
  }
  return yield* rank(whole);
}

async function* rank(whole: ShardStatistics): AsyncGenerator<AnalysisEvent, HeadReport> {
  const from = clock();
  const progress = new StageMeter('rank', 1, 'reports');
  yield progress.at(0);
  const { report, warnings } = reportOfShards(whole);
  for (const message of warnings) yield { kind: 'warning', message };
  const ranked = intervalSince(from, 'rank');
  yield ranked;
  yield progress.at(1);
  return { ...report, elapsedSeconds: report.elapsedSeconds + (ranked.to - ranked.from) / 1000 };
}

/**
 * Sizes of a measurement.
 * @throws HifiError INVALID_INPUT for an invalid config.json, or heads of size 1
 */
function measureSetup(folder: string, options: AnalysisOptions): MeasureSetup {
  const { layers, heads, headDim, hiddenSize, maxPositions } = readModelConfig(folder);
  if (headDim === 1) {
    throw invalidInput(`${folder}: its heads have size 1 (${heads} heads of ${hiddenSize}); at least 2 is needed`);
  }
  const shape = statisticsShape({ layers, heads, headDim }, options);
  return { shape, maxTokens: Math.min(options.maxLength, maxPositions) };
}

/** Means of measuring a sample. */
interface Measuring {
  options: AnalysisOptions;
  model: LoadedModel;
  pool: MeasurePool;
  /** Tokens that a sequence is truncated to. */
  maxLength: number;
  shard: Shard;
  signal?: AbortSignal;
}

/**
 * Encodes and measures the sample, or a shard's rows of it: all at once, or with `auto` until the
 * top k of every layer is stable.
 */
async function* measureSample(
  sample: Sample,
  means: Measuring,
): AsyncGenerator<AnalysisEvent, { used: Sample; statistics: HeadStatistics }> {
  const { options, pool, shard } = means;
  const drawn = sample.rows.length;
  const sizes = sampleSizes(options, drawn);
  const range = shardRange(drawn, shard);
  const encoding = new StageMeter('encode', range.to - range.from, 'sequences');
  const measuring = new StageMeter('measure', range.to - range.from, 'sequences');
  for (let { from } = range; ; ) {
    const size = sizes.shift() as number;
    const part = rowsOf(sample, from, Math.min(size, range.to));
    const began = clock();
    const encoded = yield* encode(part, from - range.from, encoding, means);
    yield intervalSince(began, 'encode', { sequences: encoded.length });
    yield* measure(part, encoded, measuring, means);
    const statistics = await pool.statistics();
    if (sizes.length === 0 || holds(statistics, options)) return { used: rowsOf(sample, 0, size), statistics };
    from = size;
  }
}

/** Returns true if the sample so far chooses each layer's top k as its bootstrap replicates do. */
function holds(statistics: HeadStatistics, options: AnalysisOptions): boolean {
  const { stability } = rankStatistics(reportOptions(options), statistics);
  return stability !== null && isStable(stability);
}

/** Number of rows that are encoded between two checks of the signal: some ten milliseconds. */
const ENCODE_ROWS = 256;

async function* encode(
  sample: Sample,
  before: number,
  progress: StageMeter,
  { model: { tokenizer, config }, maxLength, signal }: Measuring,
): AsyncGenerator<AnalysisEvent, Encoded[]> {
  const encoded: Encoded[] = [];
  yield progress.at(before);
  while (encoded.length < sample.rows.length) {
    if (signal?.aborted) throw cancelled();
    const next = rowsOf(sample, encoded.length, encoded.length + ENCODE_ROWS);
    encoded.push(...(await within('data', () => encodeSample(next, tokenizer, config, maxLength))));
    yield progress.at(before + encoded.length);
  }
  return encoded;
}

/** Runs the planned batches: the engine runs a batch while the workers measure those before it. */
async function* measure(
  sample: Sample,
  encoded: Encoded[],
  progress: StageMeter,
  { model: { encoder, config }, pool, signal }: Measuring,
): AsyncGenerator<AnalysisEvent, void> {
  const numbers = rowNumbers(sample);
  let reported = pool.measured;
  const news = () => (pool.measured > reported ? [progress.at((reported = pool.measured))] : []);
  yield progress.at(reported);
  for (const batch of planBatches(lengthsOf(encoded))) {
    if (signal?.aborted) throw cancelled();
    const padded = padBatch(
      batch.map((row) => encoded[row]),
      config.padTokenId,
    );
    const from = clock();
    const outputs = await encoder.run(padded);
    const tokens = padded.lengths.reduce((sum, length) => sum + length, 0);
    const ran = intervalSince(from, 'onnxruntime', { sequences: batch.length, tokens });
    pool.add({ rows: Int32Array.from(batch, (row) => numbers[row]), ...outputs });
    yield ran;
    while (!pool.ready) await pool.change();
    yield* pool.takeIntervals();
    yield* news();
  }
  while (pool.busy) {
    if (signal?.aborted) throw cancelled();
    await pool.change();
    yield* pool.takeIntervals();
    yield* news();
  }
}

function checkShard({ index, count }: Shard, { samples }: AnalysisOptions): void {
  const whole = Number.isInteger(index) && Number.isInteger(count);
  if (!(whole && count >= 1 && index >= 0 && index < count)) {
    throw invalidInput(`shard is ${index} of ${count}; it must be 0 to count − 1, of at least 1`);
  }
  if (count > 1 && samples === 'auto') {
    throw invalidInput('samples is auto, which needs the whole sample; with shards it must be a number');
  }
}
