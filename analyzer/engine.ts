import type { HeadReport } from '../heads/report';
import { callEngine } from '../infra/engine';
import type { AnalysisEvent, AnalyzeRequest, Shard } from './request';
import type { ShardStatistics } from './shard';

const entry = require.resolve('./child');

/**
 * The young generation of each thread's heap is 4 MB to a side, not 16: rows are many and short-lived, and would fill what there
 * is before anything is collected. It takes no time (CPU seconds of 2,000 CoLA rows: the same to 2 %).
 */
const env = () => ({ NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --max-semi-space-size=4`.trim() });

/** `pipeline.analyze` in a child process. */
export function analyze(request: AnalyzeRequest, signal?: AbortSignal): AsyncGenerator<AnalysisEvent, HeadReport> {
  return callEngine({ entry, method: 'analyze', request, env: env(), signal });
}

/** `pipeline.analyzeShard` in a child process. */
export function analyzeShard(
  request: AnalyzeRequest & { shard: Shard },
  signal?: AbortSignal,
): AsyncGenerator<AnalysisEvent, ShardStatistics> {
  return callEngine({ entry, method: 'analyzeShard', request, env: env(), signal });
}
