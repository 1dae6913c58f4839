import { invalidInput } from '../foundation/errors';
import type { HeadReport } from '../heads/head-report';
import { makeReport, type ReportSubject } from './head-report';
import { HeadStatistics, type StatisticsData } from './statistics';

/** Measurement of one or more shards of an analysis, as plain data to store or send. */
export interface ShardStatistics {
  subject: ReportSubject;
  /** Number of shards of the analysis. */
  shardCount: number;
  /** Numbers of the shards that are included, ascending. */
  shards: number[];
  statistics: StatisticsData;
  /** Wall time in seconds of the slowest included shard, without loading the model. */
  elapsedSeconds: number;
}

/**
 * Merges two parts of one analysis. Any order and grouping gives the same bits (docs/method.md).
 *
 * @throws HifiError INVALID_INPUT for parts of different analyses, or parts that share a shard
 */
export function mergeShards(a: ShardStatistics, b: ShardStatistics): ShardStatistics {
  const identity = ({ subject: { model, data, options }, shardCount }: ShardStatistics) => {
    const shape = [model.layers, model.heads, model.headDim];
    return JSON.stringify([model.sha256, shape, data.sha256, data.sampleIds, options, shardCount]);
  };
  if (identity(a) !== identity(b)) {
    throw invalidInput('the shards are of different analyses: model, data, options and shard count must be the same');
  }
  const twice = a.shards.find((shard) => b.shards.includes(shard));
  if (twice !== undefined) throw invalidInput(`shard ${twice} of ${a.shardCount} is given twice`);
  const total = new HeadStatistics(a.statistics.shape);
  total.merge(HeadStatistics.from(a.statistics));
  total.merge(HeadStatistics.from(b.statistics));
  const onCuda = a.subject.deviceUsed === 'cuda' && b.subject.deviceUsed === 'cuda';
  return {
    subject: { ...a.subject, deviceUsed: onCuda ? 'cuda' : 'cpu' },
    shardCount: a.shardCount,
    shards: [...a.shards, ...b.shards].sort((x, y) => x - y),
    statistics: total.toData(),
    elapsedSeconds: Math.max(a.elapsedSeconds, b.elapsedSeconds),
  };
}

/**
 * Computes the report of all shards.
 *
 * @throws HifiError INVALID_INPUT if a shard is missing
 */
export function reportOfShards(whole: ShardStatistics): { report: HeadReport; warnings: string[] } {
  for (let shard = 0; shard < whole.shardCount; shard++) {
    if (!whole.shards.includes(shard)) throw invalidInput(`shard ${shard} of ${whole.shardCount} is missing`);
  }
  return makeReport(whole.subject, HeadStatistics.from(whole.statistics), whole.elapsedSeconds);
}
