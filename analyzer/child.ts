import type { AnalyzeRequest, Shard } from '../heads/analysis-request';
import { serveEngine } from '../infra/engine-child';
import { calibrateAnalysis } from './analysis-calibration';
import { type EmbedRequest, embed } from './embed';
import { analyze, analyzeShard, merge } from './pipeline';
import type { ShardStatistics } from './shard';
import { WarmModel } from './warm-model';

const models = new WarmModel();

/**
 * Engine of the analyzer: the only process that loads onnxruntime to measure heads or to embed
 * texts.
 */
serveEngine({
  analyze: (request: AnalyzeRequest, signal) => analyze(request, signal, models),
  analyzeShard: (request: AnalyzeRequest & { shard: Shard }, signal) => analyzeShard(request, signal, models),
  calibrate: (request: AnalyzeRequest, signal) => calibrateAnalysis(request, signal),
  merge: (shards: ShardStatistics[], signal) => merge(shards, signal),
  embed: (request: EmbedRequest, signal) => embed(request, signal),
});
