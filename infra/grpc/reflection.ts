import { type DescFile, type DescService, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { ReflectionService } from '@grpc/reflection';
import { service as healthService } from 'grpc-health-check';
import { file_google_rpc_error_details } from '../../proto/gen/google/rpc/error_details_pb';

/**
 * Creates the reflection service, v1 and v1alpha, for some services, health checks and error
 * details. With the latter, grpcurl prints error details as text.
 */
export function reflectionOf(services: readonly DescService[]): ReflectionService {
  const files = new Map<string, DescFile>();
  const visit = (file: DescFile) => {
    if (files.has(file.name)) return;
    files.set(file.name, file);
    file.dependencies.forEach(visit);
  };
  [...services.map(({ file }) => file), file_google_rpc_error_details].forEach(visit);
  const own = [...files.values()].map(({ proto }) => Buffer.from(toBinary(FileDescriptorProtoSchema, proto)));
  const fileDescriptorProtos = [...own, ...healthFiles()];
  const definition = { format: 'Protocol Buffer 3 DescriptorProto', type: {}, fileDescriptorProtos };
  // Files may contain other services too.
  const names = ['grpc.health.v1.Health', ...services.map(({ typeName }) => typeName)];
  return new ReflectionService({ hifi: definition } as ConstructorParameters<typeof ReflectionService>[0], {
    services: names,
  });
}

/**
 * Returns the files of the health service. Its library names a map's entry by the field,
 * `Statuses`; Go's protobuf, which grpcurl uses, accepts only `StatusesEntry`.
 */
function healthFiles(): Buffer[] {
  const { fileDescriptorProtos } = healthService.Check.requestType as unknown as { fileDescriptorProtos: Buffer[] };
  return fileDescriptorProtos.map((bytes) => {
    const file = fromBinary(FileDescriptorProtoSchema, bytes);
    for (const message of file.messageType) {
      for (const entry of message.nestedType.filter(({ options }) => options?.mapEntry)) {
        const field = message.field.find(({ typeName }) => typeName.split('.').at(-1) === entry.name);
        if (!field) continue;
        const right = `${field.name[0].toUpperCase()}${field.name.slice(1)}Entry`;
        field.typeName = field.typeName.replace(/[^.]+$/, right);
        entry.name = right;
      }
    }
    return Buffer.from(toBinary(FileDescriptorProtoSchema, file));
  });
}
