import { analyzeShard } from '../../analyzer/pipeline';
import type { ShardStatistics } from '../../analyzer/shard';
import { statisticsMessage, statisticsOf } from '../../analyzer/statistics-message';
import type { HifiError } from '../../foundation/errors';
import { type ShardStatistics as Message, ShardStatisticsSchema } from '../../proto/gen/hifi/v1/analyzer_pb';
import { crossed } from '../proto/crossing';
import { drain, fixture, GOLDEN_OPTIONS, TRAIN } from './run';

describe("a shard's statistics", () => {
  const parts: ShardStatistics[] = [];

  beforeAll(async () => {
    for (const options of [
      GOLDEN_OPTIONS,
      { ...GOLDEN_OPTIONS, scope: 'model' as const, correlation: 'covariance' as const, xi: 0.85 },
    ]) {
      const request = { model: fixture('tiny-bert'), data: TRAIN, options, shard: { index: 0, count: 2 } };
      parts.push((await drain(analyzeShard(request))).result);
    }
  });

  it('are restored to the last bit', () => {
    for (const part of parts) {
      const sent = { part, warnings: ['a line'] };
      const found = statisticsOf(crossed(ShardStatisticsSchema, statisticsMessage(sent)), 'statistics[0]');
      expect(found).toEqual(sent);
      const bits = ({ statistics }: ShardStatistics) => Buffer.from(statistics.covariance.slice().buffer);
      expect(bits(found.part).equals(bits(part))).toBe(true);
    }
  });

  it.each<[string, (message: Message) => void, string, string]>([
    ['too few', (message) => message.pearson.pop(), 'pearson', 'numbers; it must have'],
    ['none', (message) => (message.bootstrapSums = []), 'bootstrap_sums', 'has 0 numbers; it must have'],
    ['no number', (message) => (message.counts[2] = Number.NaN), 'counts', 'counts[2] is NaN'],
    ['an inexact sum', (message) => (message.spectrum[0] += 0.3), 'spectrum', 'which is no exact sum'],
    ['other ξ', (message) => message.xis.pop(), 'xis', 'it must be [0.5, 0.6'],
    ['no data', (message) => (message.data = undefined), 'data', 'is missing'],
    ['no head', (message) => (message.heads = 0), '', 'each must be at least 1'],
    ['too many heads', (message) => (message.heads = 2 ** 32 - 1), 'counts', 'it must have'],
    ['an option', (message) => (message.options!.xi = 2), 'options.xi', 'it must be above 0, at most 1'],
    ['a device', (message) => (message.deviceUsed = 'tpu'), 'device_used', 'it must be cpu or cuda'],
  ])('are refused with %s', (_, change, part, text) => {
    const message = crossed(ShardStatisticsSchema, statisticsMessage({ part: parts[0], warnings: [] }));
    change(message);
    let error: HifiError | undefined;
    try {
      statisticsOf(message, 'statistics[1]');
    } catch (thrown) {
      error = thrown as HifiError;
    }
    expect(error?.field).toBe(part === '' ? 'statistics[1]' : `statistics[1].${part}`);
    expect(error?.message).toContain(text);
  });
});
