import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';

/** A message as it comes out at the other end of a wire. */
export function crossed<S extends DescMessage>(schema: S, message: MessageShape<S>): MessageShape<S> {
  return fromBinary(schema, toBinary(schema, message));
}
