import { invalidPart, invalidValue } from '../foundation/errors';
import type { AnalysisOptions } from '../heads/analysis-options';
import type { Shard } from '../heads/analysis-request';
import { MESSAGE_BYTES } from '../infra/grpc/limits';
import type { ModelDescription } from '../model/description';
import type { Shard as ShardMessage } from '../proto/gen/hifi/v1/analyzer_pb';
import { present } from '../proto/matrix';
import { RpcError, status } from '../proto/status';
import { statisticsLengths, statisticsShape } from './statistics';

/**
 * Reads a shard.
 * @throws HifiError INVALID_INPUT if it is out of range, or the options do not allow shards
 */
export function shardOf({ index: given, count }: ShardMessage, options: AnalysisOptions, field = 'shard'): Shard {
  if (count < 1) throw invalidValue({ field: `${field}.count`, value: String(count), expected: 'at least 1' });
  const index = present(given, `${field}.index`);
  if (index >= count) {
    const expected = `0 to ${count - 1}: there are ${count} shards`;
    throw invalidValue({ field: `${field}.index`, value: String(index), expected });
  }
  if (count > 1 && options.samples === 'auto') {
    const name = 'options.auto_samples';
    throw invalidPart(name, `${name} is true, which needs the whole sample; with shards it must be false`);
  }
  return { index, count };
}

/** Part of a message that the shards' statistics may fill; the rows' numbers are beside them. */
const STATISTICS_BYTES = MESSAGE_BYTES * 0.9;

/**
 * Checks that the statistics of all shards fit into one message, for their merge.
 *
 * @throws RpcError FAILED_PRECONDITION, SHARDS_TOO_LARGE with the largest possible count
 */
export function checkShardSizes(
  { count }: Shard,
  model: Pick<ModelDescription, 'layers' | 'heads' | 'headDim'>,
  options: AnalysisOptions,
): void {
  const numbers = Object.values(statisticsLengths(statisticsShape(model, options)));
  const bytes = Float64Array.BYTES_PER_ELEMENT * numbers.reduce((sum, length) => sum + length, 0);
  const most = Math.max(1, Math.floor(STATISTICS_BYTES / bytes));
  if (count <= most) return;
  const megabytes = Math.ceil(bytes / 1e6);
  throw new RpcError(
    status.FAILED_PRECONDITION,
    'SHARDS_TOO_LARGE',
    `shard.count is ${count}; it must be 1 to ${most} here: the statistics of a shard have ${megabytes} MB, those of all must fit into a message`,
  );
}
