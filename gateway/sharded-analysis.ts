import type { MessageInitShape } from '@bufbuild/protobuf';
import { failed } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import type { AnalysisOptions } from '../heads/analysis-options';
import { answers } from '../infra/grpc/answers';
import type { CallAttempt } from '../infra/grpc/attempts';
import type { Calls } from '../infra/grpc/client';
import type { Telemetry } from '../infra/telemetry';
import { AnalyzerService, type ReportView, type ShardStatistics } from '../proto/gen/hifi/v1/analyzer_pb';
import type { TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import type { HeadReport } from '../proto/gen/hifi/v1/heads_pb';
import type { AnalysisOptionsSchema } from '../proto/gen/hifi/v1/options_pb';
import { progressOf } from '../proto/progress';
import { RpcError, rpcErrorOf, status } from '../proto/status';

const { analyze, mergeStatistics } = AnalyzerService.method;

/**
 * Smallest number of sequences in a shard. A shard reads all rows of the file and sends its
 * statistics, about 0.2 s for a small model; 512 short sequences take 10 times as long.
 */
const SHARD_SEQUENCES = 512;
/** Number of attempts at a shard, each at another analyzer if there is one. */
const TRIES = 3;

/** Number of shards that an analysis is split into. */
export function shardCount({ samples }: Pick<AnalysisOptions, 'samples'>, analyzers: number): number {
  // `auto` needs the whole sample to see when it is stable.
  return samples === 'auto' ? 1 : Math.max(1, Math.min(analyzers, Math.floor(samples / SHARD_SEQUENCES)));
}

interface Request {
  model: string;
  dataset: TextDataset;
  options: MessageInitShape<typeof AnalysisOptionsSchema>;
  view: ReportView;
}

/** Means of an analysis. */
interface Analyzing {
  analyzer: Calls;
  telemetry: Telemetry;
  attempt: CallAttempt;
}

/**
 * Analyses in shards, one after the other where there are fewer analyzers. The report has the bits
 * of an analysis in one piece. A model whose statistics are too large for that many shards gets
 * fewer.
 *
 * @throws RpcError the analyzer's error; HifiError CANCELLED
 */
export async function* analyzed(
  request: Request,
  shards: number,
  means: Analyzing,
  signal: AbortSignal,
): AsyncGenerator<StageProgress, HeadReport> {
  for (let count = shards; ; count = Math.floor(count / 2)) {
    try {
      return yield* count > 1 ? inShards(request, count, means, signal) : inOnePiece(request, means, signal);
    } catch (thrown) {
      if (!(thrown instanceof RpcError && thrown.reason === 'SHARDS_TOO_LARGE')) throw thrown;
    }
  }
}

async function* inOnePiece(
  request: Request,
  { analyzer, attempt }: Analyzing,
  signal: AbortSignal,
): AsyncGenerator<StageProgress, HeadReport> {
  for await (const { event } of analyzer.stream(analyze, request, { signal, attempt })) {
    if (event.case === 'progress') yield progressOf(event.value);
    if (event.case === 'report') return event.value;
  }
  throw failed('the analyzer ended without a result');
}

async function* inShards(
  request: Request,
  count: number,
  { analyzer, telemetry, attempt }: Analyzing,
  signal: AbortSignal,
): AsyncGenerator<StageProgress, HeadReport> {
  let report: HeadReport | undefined;
  yield* answers<StageProgress>(signal, async (out, signal) => {
    const progress = new ShardsProgress(count);
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    const settings = { signal: until, attempt };
    const measured = (index: number) =>
      elsewhere(until, async () => {
        const whole = { ...request, shard: { index, count } };
        for await (const { event } of analyzer.stream(analyze, whole, settings)) {
          if (event.case === 'progress')
            for (const each of progress.of(index, progressOf(event.value))) out.progress(each);
          if (event.case === 'statistics') return event.value;
        }
        throw failed('the analyzer ended without a result');
      });
    const shards = Array.from({ length: count }, (_, index) => {
      const attributes = { 'hifi.shard': index, 'hifi.shards': count };
      return telemetry.inSpan('hifi.analysis.shard', { attributes }, () => measured(index));
    });
    let statistics: ShardStatistics[];
    try {
      statistics = await Promise.all(shards);
    } catch (thrown) {
      over.abort();
      await Promise.allSettled(shards);
      throw thrown;
    }
    const merging = { statistics, view: request.view };
    const merged = await elsewhere(signal, () => analyzer.unary(mergeStatistics, merging, { signal, attempt }));
    report = merged.report;
  });
  if (!report) throw failed('the analyzer ended without a result');
  return report;
}

/** Does work that has no state; again at another analyzer if one ends. */
async function elsewhere<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (thrown) {
      if (signal.aborted || tries === TRIES || rpcErrorOf(thrown).code !== status.UNAVAILABLE) throw thrown;
    }
  }
}

/** Progress of all shards as that of one analysis. */
class ShardsProgress {
  /** Stages in their order, with the latest progress of each shard. */
  private readonly stages = new Map<string, Map<number, StageProgress>>();

  constructor(private readonly count: number) {}

  /**
   * Adds up a shard's progress and that of the others in the latest stage. A shard that has not
   * come to it counts as large as the largest.
   *
   * @returns nothing for an earlier stage
   */
  of(shard: number, progress: StageProgress): StageProgress[] {
    const { stage, unit } = progress;
    const known = this.stages.get(stage) ?? new Map<number, StageProgress>();
    this.stages.set(stage, known.set(shard, progress));
    if ([...this.stages.keys()].at(-1) !== stage) return [];
    const all = [...known.values()];
    const sum = (of: (one: StageProgress) => number) => all.reduce((total, one) => total + of(one), 0);
    const most = Math.max(...all.map(({ total }) => total));
    const total = sum((one) => one.total) + (this.count - all.length) * most;
    const done = sum((one) => one.done);
    const rate = sum((one) => one.rate ?? 0);
    const speed = rate > 0 && { rate, remainingSeconds: (total - done) / rate };
    return [{ kind: 'progress', stage, done, total, unit, ...speed }];
  }
}
