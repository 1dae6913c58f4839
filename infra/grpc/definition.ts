import { type DescMethod, type DescService, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** A service of the contract as grpc-js wants it: the methods' paths, kinds and (de)serializers. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]));
}

/** A method of the contract as grpc-js wants it. */
export function methodDefinition(method: DescMethod): MethodDefinition<Message, Message> {
  const { methodKind, input, output, parent, name } = method;
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    // Storing unknown fields costs as much time as all other work: 16 MB of them block all calls
    // for 10 s.
    requestDeserialize: (bytes) => fromBinary(input, bytes, { readUnknownFields: false }),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}
