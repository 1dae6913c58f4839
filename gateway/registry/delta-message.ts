import { create, type JsonValue, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { DeltaVersionSchema } from '../../proto/gen/hifi/v1/registry_pb';
import { aliasesOf, type NamedDelta, type StoredVersion } from './named-delta';

/** Converts a version to the message that clients receive. */
export function deltaMessage(delta: NamedDelta, stored: StoredVersion): MessageInitShape<typeof DeltaVersionSchema> {
  const { version, files, base, metric, dataSha256, jobId, createTime } = stored;
  return {
    name: delta.name,
    version,
    aliases: aliasesOf(delta, version),
    files,
    base,
    ...(metric && { metric: metric.name, metricValue: metric.value }),
    dataSha256,
    jobId,
    createTime: timestampFromMs(createTime),
  };
}

/** {@link deltaMessage} in proto3's JSON form. */
export const deltaJson = (delta: NamedDelta, stored: StoredVersion): JsonValue =>
  toJson(DeltaVersionSchema, create(DeltaVersionSchema, deltaMessage(delta, stored)));
