import { createRegistry, type JsonValue, toJson } from '@bufbuild/protobuf';
import { file_google_rpc_error_details } from './gen/google/rpc/error_details_pb';
import { StatusSchema } from './gen/google/rpc/status_pb';
import { type RpcError, status, statusMessage } from './status';

/** HTTP status of each code, as google/rpc/code.proto has it. */
const HTTP_STATUSES: Readonly<Record<status, number>> = {
  [status.OK]: 200,
  [status.CANCELLED]: 499,
  [status.UNKNOWN]: 500,
  [status.INVALID_ARGUMENT]: 400,
  [status.DEADLINE_EXCEEDED]: 504,
  [status.NOT_FOUND]: 404,
  [status.ALREADY_EXISTS]: 409,
  [status.PERMISSION_DENIED]: 403,
  [status.UNAUTHENTICATED]: 401,
  [status.RESOURCE_EXHAUSTED]: 429,
  [status.FAILED_PRECONDITION]: 400,
  [status.ABORTED]: 409,
  [status.OUT_OF_RANGE]: 400,
  [status.UNIMPLEMENTED]: 501,
  [status.INTERNAL]: 500,
  [status.UNAVAILABLE]: 503,
  [status.DATA_LOSS]: 500,
};

export const httpStatusOf = ({ code }: RpcError): number => HTTP_STATUSES[code];

/** Converts an error to a `google.rpc.Status` in proto3's JSON form. */
export const statusJson = (error: RpcError): JsonValue =>
  toJson(StatusSchema, statusMessage(error), { registry: createRegistry(file_google_rpc_error_details) });
