import { type DescMethod, type DescService, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/**
 * Converts a service of the contract to a definition of grpc-js: paths, kinds and (de)serializers
 * of its methods.
 */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]));
}

/** Converts a method of the contract to a definition of grpc-js. */
export function methodDefinition(method: DescMethod): MethodDefinition<Message, Message> {
  const { methodKind, input, output, parent, name } = method;
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    // Storing unknown fields is expensive: 16 MB of them block all calls for 10 s.
    requestDeserialize: (bytes) => fromBinary(input, bytes, { readUnknownFields: false }),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}
