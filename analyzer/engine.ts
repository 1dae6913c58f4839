import type { HeadReport } from '../heads/report';
import { callEngine } from '../infra/engine';
import type { AnalysisEvent, AnalyzeRequest, Shard } from './request';
import type { ShardStatistics } from './shard';

/** `pipeline.analyze` in a child process. */
export function analyze(request: AnalyzeRequest, signal?: AbortSignal): AsyncGenerator<AnalysisEvent, HeadReport> {
  return callEngine({ entry: require.resolve('./child'), method: 'analyze', request, signal });
}

/** `pipeline.analyzeShard` in a child process. */
export function analyzeShard(
  request: AnalyzeRequest & { shard: Shard },
  signal?: AbortSignal,
): AsyncGenerator<AnalysisEvent, ShardStatistics> {
  return callEngine({ entry: require.resolve('./child'), method: 'analyzeShard', request, signal });
}
