import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';

/** Encodes a message and decodes it again. */
export function crossed<S extends DescMessage>(schema: S, message: MessageShape<S>): MessageShape<S> {
  return fromBinary(schema, toBinary(schema, message));
}
