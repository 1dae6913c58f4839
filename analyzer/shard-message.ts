import { invalidPart, invalidValue } from '../foundation/errors';
import type { AnalysisOptions } from '../heads/analysis-options';
import type { Shard } from '../heads/analysis-request';
import type { Shard as ShardMessage } from '../proto/gen/hifi/v1/analyzer_pb';
import { present } from '../proto/matrix';

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
