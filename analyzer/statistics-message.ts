import { create } from '@bufbuild/protobuf';
import { invalidPart, invalidValue } from '../foundation/errors';
import { reportOptions } from '../heads/analysis-options';
import {
  type ShardStatistics as ShardStatisticsMessage,
  ShardStatisticsSchema,
} from '../proto/gen/hifi/v1/analyzer_pb';
import { deviceOf } from '../proto/head-report';
import { checkLength, matrixOf } from '../proto/matrix';
import { measuredRowsMessage, measuredRowsOf } from '../proto/measured-rows';
import { modelMessage, modelOf } from '../proto/model';
import { analysisMessage, analysisOptionsOf } from '../proto/options';
import { notExact } from './exact-sum';
import type { ShardStatistics } from './shard';
import { type StatisticsData, statisticsLengths, statisticsShape } from './statistics';

/** Statistics of a shard, with warnings for the user. */
export interface StatisticsWithWarnings {
  part: ShardStatistics;
  warnings: string[];
}

/** Converts statistics to their message. */
export function statisticsMessage({ part, warnings }: StatisticsWithWarnings): ShardStatisticsMessage {
  const { subject, statistics, shardCount, shards, elapsedSeconds } = part;
  const { model, data, options, headNorms, deviceUsed } = subject;
  const { layers, heads, headDim } = model;
  return create(ShardStatisticsSchema, {
    model: modelMessage(model),
    layers,
    heads,
    headDim,
    data: measuredRowsMessage(data),
    options: analysisMessage(options),
    headNorms: headNorms.flat(),
    deviceUsed,
    shardCount,
    shards,
    elapsedSeconds,
    sequences: statistics.sequences,
    xis: statistics.shape.xis,
    counts: Array.from(statistics.counts),
    squares: Array.from(statistics.squares),
    pearson: Array.from(statistics.pearson),
    covariance: Array.from(statistics.covariance),
    activation: Array.from(statistics.activation),
    spectrum: Array.from(statistics.spectrum),
    bootstrapDraws: Array.from(statistics.bootstrap.draws),
    bootstrapSums: Array.from(statistics.bootstrap.sums),
    warnings,
  });
}

/**
 * Reads statistics from their message, equal to the last bit.
 *
 * @throws HifiError INVALID_INPUT if sums do not have the lengths of the shape, or numbers are not
 *   finite
 */
export function statisticsOf(message: ShardStatisticsMessage, field: string): StatisticsWithWarnings {
  const at = (part: string) => `${field}.${part}`;
  const { layers, heads, headDim, shardCount, shards, elapsedSeconds, sequences } = message;
  if (!(layers >= 1 && heads >= 1 && headDim >= 1)) {
    const found = `layers ${layers}, heads ${heads}, head_dim ${headDim}`;
    throw invalidPart(field, `${field} has ${found}; each must be at least 1`);
  }
  const options = reportOptions(analysisOptionsOf(message.options, at('options')));
  const shape = statisticsShape({ layers, heads, headDim }, options);
  const { xis } = shape;
  if (JSON.stringify(message.xis) !== JSON.stringify(xis)) {
    const list = (values: readonly number[]) => `[${values.join(', ')}]`;
    throw invalidValue({ field: at('xis'), value: list(message.xis), expected: list(xis) });
  }
  const lengths = statisticsLengths(shape);
  const sums = (part: keyof typeof lengths, name: string) => {
    checkLength(message[part], lengths[part], at(name));
    return Float64Array.from(message[part]);
  };
  const exact = (part: 'pearson' | 'covariance' | 'activation' | 'spectrum') => {
    const bins = sums(part, part);
    const wrong = notExact(bins);
    if (wrong < 0) return bins;
    throw invalidPart(
      at(part),
      `${at(part)}[${wrong}] is ${bins[wrong]}, which is no exact sum; send the statistics of AnalyzeResponse unchanged`,
    );
  };
  const statistics: StatisticsData = {
    shape,
    sequences,
    counts: sums('counts', 'counts'),
    squares: sums('squares', 'squares'),
    pearson: exact('pearson'),
    covariance: exact('covariance'),
    activation: exact('activation'),
    spectrum: exact('spectrum'),
    bootstrap: {
      draws: sums('bootstrapDraws', 'bootstrap_draws'),
      sums: sums('bootstrapSums', 'bootstrap_sums'),
    },
  };
  const part: ShardStatistics = {
    subject: {
      model: modelOf(message.model, { layers, heads, headDim }, at('model')),
      data: measuredRowsOf(message.data, at('data')),
      options,
      headNorms: matrixOf(message.headNorms, layers, heads, at('head_norms')),
      deviceUsed: deviceOf(message.deviceUsed, at('device_used')),
    },
    shardCount,
    shards: [...shards],
    statistics,
    elapsedSeconds,
  };
  return { part, warnings: [...message.warnings] };
}
