import * as os from 'node:os';
import { type Encoded, lengthsOf, padBatch } from '../data/batches';
import { cancelled, invalidInput } from '../errors';
import type { HeadReport } from '../heads/report';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { settleDevice } from '../model/onnx-device';
import { loadTokenizer, type Tokenizer } from '../model/tokenizer';
import { StageMeter } from '../progress';
import { headNorms } from './head-norms';
import { MeasurePool } from './measure-pool';
import { type AnalysisOptions, analysisOptions, reportOptions } from './options';
import { HeadEncoder } from './outputs';
import { mostSamples, planBatches, sampleSizes, shardRows } from './plan';
import { keptXis, type ReportSubject, rankStatistics } from './report';
import type { AnalysisEvent, AnalyzeRequest, Shard } from './request';
import { encodeSample, readSample, reportData, rowNumbers, rowsOf, type Sample } from './sample';
import { reportOfShards, type ShardStatistics } from './shard';
import { isStable } from './stability';
import type { HeadStatistics } from './statistics';

/**
 * Measures and ranks the heads of a model on a data set (HiFi §3; METHOD §1 and §2). The engine blocks the thread that runs
 * this: it belongs in a child process (see `engine.ts`).
 *
 * @throws HifiError INVALID_INPUT for a bad model, data set or option; CANCELLED within a batch of the signal.
 */
export async function* analyze(
  request: AnalyzeRequest,
  signal?: AbortSignal,
): AsyncGenerator<AnalysisEvent, HeadReport> {
  const whole = yield* analyzeShard({ ...request, shard: { index: 0, count: 1 } }, signal);
  const started = performance.now();
  const progress = new StageMeter('rank', 1, 'reports');
  yield progress.at(0);
  const { report, warnings } = reportOfShards(whole);
  for (const message of warnings) yield { kind: 'warning', message };
  yield progress.at(1);
  return { ...report, elapsedSeconds: report.elapsedSeconds + (performance.now() - started) / 1000 };
}

/** The same for some of the sample's blocks; the parts are put together by `mergeShards` and `reportOfShards`. */
export async function* analyzeShard(
  request: AnalyzeRequest & { shard: Shard },
  signal?: AbortSignal,
): AsyncGenerator<AnalysisEvent, ShardStatistics> {
  const started = performance.now();
  const options = analysisOptions(request.options ?? {});
  checkShard(request.shard, options);
  const sample = await readSample(request.data, mostSamples(options), options.seed);
  if (options.samples !== 'auto' && sample.rows.length < options.samples) {
    const message = `${sample.dataset.path} has ${sample.rows.length} rows, fewer than the ${options.samples} to sample: all are used`;
    yield { kind: 'warning', message };
  }

  const loading = performance.now();
  const threads = options.threads ?? os.availableParallelism();
  if (signal?.aborted) throw cancelled();
  yield new StageMeter('load', 1, 'models').at(0);
  const model = await loadModel(request, options, threads);
  try {
    const { config } = model.checkpoint;
    const loadSeconds = (performance.now() - loading) / 1000;
    const maxLength = Math.min(options.maxLength, config.maxPositions);
    if (maxLength < options.maxLength) {
      yield { kind: 'warning', message: `the model takes ${maxLength} tokens at most: longer texts are cut there` };
    }

    const { used, statistics } = yield* measureSample(sample, options, model, maxLength, request.shard, signal);
    return {
      subject: { ...model.subject, data: reportData(used) },
      shardCount: request.shard.count,
      shards: [request.shard.index],
      statistics: statistics.toData(),
      elapsedSeconds: (performance.now() - started) / 1000 - loadSeconds,
    };
  } finally {
    await model.close();
  }
}

/** Encodes and measures the sample: all of it at once, or with `auto` until the top k of every layer holds. */
async function* measureSample(
  sample: Sample,
  options: AnalysisOptions,
  { checkpoint, tokenizer, encoder, pool }: LoadedModel,
  maxLength: number,
  shard: Shard,
  signal?: AbortSignal,
): AsyncGenerator<AnalysisEvent, { used: Sample; statistics: HeadStatistics }> {
  const { config } = checkpoint;
  const drawn = sample.rows.length;
  const sizes = sampleSizes(options, drawn);
  const encoding = new StageMeter('encode', drawn, 'sequences');
  const measuring = new StageMeter('measure', shardRows(drawn, shard), 'sequences');
  for (let from = 0; ; ) {
    const size = sizes.shift() as number;
    const part = rowsOf(sample, from, size);
    const encoded = yield* encode(part, from, encoding, tokenizer, config, maxLength, signal);
    yield* measure(part, encoded, shard, measuring, encoder, pool, config.padTokenId, signal);
    const statistics = await pool.statistics();
    if (sizes.length === 0 || holds(statistics, options)) return { used: rowsOf(sample, 0, size), statistics };
    from = size;
  }
}

/** Whether the sample so far chooses each layer's top k as its bootstrap replicates do. */
function holds(statistics: HeadStatistics, options: AnalysisOptions): boolean {
  const { stability } = rankStatistics(reportOptions(options), statistics);
  return stability !== null && isStable(stability);
}

/** Rows encoded between two looks at the signal: some ten milliseconds. */
const ENCODE_ROWS = 256;

async function* encode(
  sample: Sample,
  before: number,
  progress: StageMeter,
  tokenizer: Tokenizer,
  config: ModelConfig,
  maxLength: number,
  signal?: AbortSignal,
): AsyncGenerator<AnalysisEvent, Encoded[]> {
  const encoded: Encoded[] = [];
  yield progress.at(before);
  while (encoded.length < sample.rows.length) {
    if (signal?.aborted) throw cancelled();
    const next = rowsOf(sample, encoded.length, encoded.length + ENCODE_ROWS);
    encoded.push(...encodeSample(next, tokenizer, config, maxLength));
    yield progress.at(before + encoded.length);
  }
  return encoded;
}

/** Plan → head outputs → statistics: the engine runs a batch while the workers measure those before it. */
async function* measure(
  sample: Sample,
  encoded: Encoded[],
  shard: Shard,
  progress: StageMeter,
  encoder: HeadEncoder,
  pool: MeasurePool,
  padId: number,
  signal?: AbortSignal,
): AsyncGenerator<AnalysisEvent, void> {
  const numbers = rowNumbers(sample);
  yield progress.at(pool.measured);
  for (const batch of planBatches(lengthsOf(encoded), shard)) {
    if (signal?.aborted) throw cancelled();
    const padded = padBatch(
      batch.map((row) => encoded[row]),
      padId,
    );
    pool.add({ rows: Int32Array.from(batch, (row) => numbers[row]), ...(await encoder.run(padded)) });
    while (!pool.ready) await pool.change();
    yield progress.at(pool.measured);
  }
  while (pool.busy) {
    if (signal?.aborted) throw cancelled();
    await pool.change();
    yield progress.at(pool.measured);
  }
}

interface LoadedModel {
  checkpoint: Checkpoint;
  tokenizer: Tokenizer;
  encoder: HeadEncoder;
  pool: MeasurePool;
  subject: Omit<ReportSubject, 'data'>;
  close(): Promise<void>;
}

async function loadModel(request: AnalyzeRequest, options: AnalysisOptions, threads: number): Promise<LoadedModel> {
  const checkpoint = await openCheckpoint(request.model, request.modelName);
  let pool: MeasurePool | undefined;
  try {
    const { config } = checkpoint;
    const { layers, heads, headDim, hiddenSize } = config;
    if (headDim === 1) {
      throw invalidInput(
        `${request.model}: its heads have size 1 (${heads} heads of ${hiddenSize}); at least 2 is needed`,
      );
    }
    const maxTokens = Math.min(options.maxLength, config.maxPositions);
    const { xi, seed, correlation, scope } = options;
    const shape = { layers, heads, headDim, xis: keptXis(xi), xi, bootstrap: { seed, correlation, scope } };
    pool = new MeasurePool({ shape, maxTokens }, threads);
    const measuring = pool;
    const tokenizer = loadTokenizer(request.model);
    const deviceUsed = await settleDevice(options.device);
    const norms = headNorms(checkpoint);
    const encoder = await HeadEncoder.load(checkpoint, { device: deviceUsed, exact: options.exact, threads });
    const { name, sha256, parameters } = checkpoint;
    const model = { name, sha256, architecture: config.architecture, layers, heads, headDim, hiddenSize, parameters };
    return {
      checkpoint,
      tokenizer,
      encoder,
      pool,
      subject: { model, options: reportOptions(options), headNorms: norms, deviceUsed },
      close: async () => {
        checkpoint.close();
        await Promise.all([measuring.close(), encoder.release()]);
      },
    };
  } catch (error) {
    checkpoint.close();
    await pool?.close();
    throw error;
  }
}

function checkShard({ index, count }: Shard, { samples }: AnalysisOptions): void {
  const whole = Number.isInteger(index) && Number.isInteger(count);
  if (!(whole && count >= 1 && index >= 0 && index < count)) {
    throw invalidInput(`shard is ${index} of ${count}; it must be 0 to count − 1, of at least 1`);
  }
  if (count > 1 && samples === 'auto') {
    throw invalidInput('samples is auto, which looks at the whole sample; with shards it must be a number');
  }
}
