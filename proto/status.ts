import * as path from 'node:path';
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import {
  Metadata,
  type ServerInterceptingCallInterface,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { cancelled, type ErrorCode, HifiError, isNoDescriptor, noRoom, unsupported } from '../foundation/errors';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb';
import { type Status, StatusSchema } from './gen/google/rpc/status_pb';

export { status };

/** Metadata key of a `google.rpc.Status`: https://grpc.io/docs/guides/error/#richer-error-model */
const DETAILS_KEY = 'grpc-status-details-bin';
const DOMAIN = 'hifi';

/** Invalid field of a request. */
export interface Violation {
  /** Path of the field, such as `options.damping` or `mask.heads[2].layer`. */
  field: string;
  /** Value of the field, and what would be right. */
  description: string;
}

/** Details of an error besides its message; some are not sent to a client. */
export interface RpcDetails {
  /** Fields of the request that are wrong. */
  violations?: readonly Violation[];
  /** Seconds after which the call may be tried again. */
  retrySeconds?: number;
  /** Set by a client if nothing answers at the service's address. */
  unreachable?: boolean;
  /** Used in this process only; never sent to a client. */
  cause?: unknown;
}

/**
 * Error in the form that clients receive: a gRPC status, a reason for programs and a line for
 * people.
 */
export class RpcError extends Error {
  override readonly name = 'RpcError';

  /**
   * Creates an error.
   *
   * @param code gRPC status
   * @param reason reason in UPPER_SNAKE
   * @param message one line, sent to the client as it is
   */
  constructor(
    readonly code: status,
    readonly reason: string,
    message: string,
    readonly details: RpcDetails = {},
  ) {
    super(message, { cause: details.cause });
  }
}

export const notFound = (what: string) => new RpcError(status.NOT_FOUND, 'NOT_FOUND', what);

const CODES: Record<ErrorCode, [code: status, reason: string]> = {
  INVALID_INPUT: [status.INVALID_ARGUMENT, 'INVALID_INPUT'],
  NOT_FOUND: [status.NOT_FOUND, 'NOT_FOUND'],
  FAILED: [status.INTERNAL, 'FAILED'],
  UNSUPPORTED: [status.FAILED_PRECONDITION, 'UNSUPPORTED'],
  DIVERGED: [status.INTERNAL, 'DIVERGED'],
  CANCELLED: [status.CANCELLED, 'CANCELLED'],
  ENGINE_LOST: [status.UNAVAILABLE, 'ENGINE_LOST'],
  DISK_FULL: [status.RESOURCE_EXHAUSTED, 'DISK_FULL'],
};

/** Retry delay for a client if a disk had no room, in seconds. */
const NO_ROOM_RETRY_SECONDS = 10;

/**
 * Maps any thrown value to the error that a client receives. A foreign error becomes INTERNAL
 * without its message, which may contain anything.
 */
export function rpcErrorOf(thrown: unknown): RpcError {
  if (thrown instanceof RpcError) return thrown;
  if (!(thrown instanceof HifiError) && !(thrown instanceof Error && thrown.name === 'AbortError')) {
    const known = HifiError.from(thrown);
    if (isNoDescriptor(thrown)) {
      const details = { retrySeconds: NO_ROOM_RETRY_SECONDS, cause: thrown };
      const message = 'the service has reached its limit of open files; try again later';
      return new RpcError(status.RESOURCE_EXHAUSTED, 'TOO_MANY_FILES', message, details);
    }
    if (known.code === 'FAILED') {
      return new RpcError(status.INTERNAL, 'INTERNAL', 'internal error; the service has logged it', { cause: thrown });
    }
  }
  const error = HifiError.from(thrown);
  const [code, reason] = CODES[error.code];
  const message = withoutPaths(error.message);
  const violations = error.code === 'INVALID_INPUT' ? [{ field: error.field ?? '', description: message }] : undefined;
  const retrySeconds = error.code === 'DISK_FULL' ? NO_ROOM_RETRY_SECONDS : undefined;
  return new RpcError(code, reason, message, { violations, retrySeconds, cause: thrown });
}

/** Folders of this machine that a service uses, longest first. */
let hidden: string[] = [];

/** Names folders that no message may show, whatever characters are in their names. */
export function hideFolders(folders: readonly string[]): void {
  const all = folders.filter((folder) => /[^\w/.-]/.test(folder));
  hidden = [...new Set([...hidden, ...all])].sort((a, b) => b.length - a.length);
}

/**
 * Removes this machine's folders from a message: each absolute path is shortened to its last part.
 */
export const withoutPaths = (message: string) =>
  hidden
    .reduce((text, folder) => text.replaceAll(folder, plain(folder)), message)
    .replace(/(?<![\w.~/:])(?:file:\/\/)?\/(?:[^\s/:,;'"()]+\/)+([^\s/:,;'"()]*)/g, '$1');

/** Path that the pattern above matches, with the folder's name as far as it can have one. */
const plain = (folder: string) => `/-/${path.basename(folder).replaceAll(/[^\w.-]/g, '_')}`;

/** Status in the form that grpc-js sends. */
export type SentStatus = Parameters<ServerInterceptingCallInterface['sendStatus']>[0];

/** Returns true if a status has the details of a `google.rpc.Status`. */
export const isDetailed = ({ metadata }: SentStatus) => (metadata?.get(DETAILS_KEY) ?? []).length > 0;

/** Converts an error to the status that a server sends: code, line and details. */
export function statusOf(error: RpcError): StatusObject {
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(toBinary(StatusSchema, statusMessage(error))));
  return { code: error.code, details: error.message, metadata };
}

/** Converts an error to a `google.rpc.Status`. */
export function statusMessage({ code, reason, message, details }: RpcError): Status {
  const { violations, retrySeconds } = details;
  const packed: Any[] = [pack(ErrorInfoSchema, { reason, domain: DOMAIN })];
  if (violations) packed.push(pack(BadRequestSchema, { fieldViolations: [...violations] }));
  if (retrySeconds !== undefined) {
    const seconds = Math.trunc(retrySeconds);
    const retryDelay = { seconds: BigInt(seconds), nanos: Math.round((retrySeconds - seconds) * 1e9) };
    packed.push(pack(RetryInfoSchema, { retryDelay }));
  }
  return create(StatusSchema, { code, message, details: packed });
}

function pack<D extends DescMessage>(schema: D, value: MessageInitShape<D>): Any {
  return create(AnySchema, anyPack(schema, create(schema, value)));
}

/** Converts a received status to an error. */
export function errorOfStatus(error: ServiceError): RpcError {
  const [bytes] = error.metadata?.get(DETAILS_KEY) ?? [];
  const sent = bytes instanceof Buffer ? fromBinary(StatusSchema, bytes) : undefined;
  const bad = sent && firstDetail(sent, BadRequestSchema);
  const delay = sent && firstDetail(sent, RetryInfoSchema)?.retryDelay;
  return new RpcError(error.code, (sent && reasonIn(sent)) ?? status[error.code], error.details || error.message, {
    ...(bad && { violations: bad.fieldViolations.map(({ field, description }) => ({ field, description })) }),
    ...(delay && { retrySeconds: Number(delay.seconds) + delay.nanos / 1e9 }),
    cause: error,
  });
}

/** Reason of an error in UPPER_SNAKE; undefined if the sender gave none. */
export const reasonIn = (sent: Status): string | undefined => firstDetail(sent, ErrorInfoSchema)?.reason;

function firstDetail<D extends DescMessage>(sent: Status, schema: D) {
  for (const detail of sent.details) {
    const unpacked = anyUnpack(detail, schema);
    if (unpacked) return unpacked;
  }
  return undefined;
}

const OWN_CODES: Partial<Record<status, ErrorCode>> = {
  [status.INVALID_ARGUMENT]: 'INVALID_INPUT',
  [status.ALREADY_EXISTS]: 'INVALID_INPUT',
  [status.FAILED_PRECONDITION]: 'INVALID_INPUT',
  [status.UNAUTHENTICATED]: 'INVALID_INPUT',
  [status.PERMISSION_DENIED]: 'INVALID_INPUT',
  [status.NOT_FOUND]: 'NOT_FOUND',
};

/** Converts an RPC error to the error type of commands and jobs. */
export function hifiErrorOf(error: RpcError): HifiError {
  if (error.code === status.CANCELLED) return cancelled();
  if (error.reason === 'DISK_FULL') return noRoom(error.message, error);
  if (error.reason === 'UNSUPPORTED') return unsupported(error.message, error);
  return new HifiError(OWN_CODES[error.code] ?? 'FAILED', error.message, error);
}
