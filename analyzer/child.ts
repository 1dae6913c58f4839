import { serveEngine } from '../infra/engine-child';
import { analyze, analyzeShard, merge } from './pipeline';
import type { AnalyzeRequest, Shard } from './request';
import type { ShardStatistics } from './shard';
import { WarmModel } from './warm-model';

const models = new WarmModel();

/** The analyzer's engine: the one process that loads onnxruntime to measure heads. */
serveEngine({
  analyze: (request: AnalyzeRequest, signal) => analyze(request, signal, models),
  analyzeShard: (request: AnalyzeRequest & { shard: Shard }, signal) => analyzeShard(request, signal, models),
  merge: (shards: ShardStatistics[], signal) => merge(shards, signal),
});
