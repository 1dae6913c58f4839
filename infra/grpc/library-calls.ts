import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { isDetailed, RpcError, type SentStatus, status, statusOf } from '../../proto/status';
import { MESSAGE_BYTES } from './limits';

/**
 * Largest ratio to which a message may inflate. Texts and numbers inflate 3 to 30 times, a bomb of
 * zeros 1,000 times.
 */
const INFLATES = 100;
/** Size to which any message may inflate, whatever its ratio, in bytes. */
const INFLATES_LEAST = 1 << 20;

/** Part of grpc-js 1.14's internal call that no option controls. */
interface LibraryCall extends ServerInterceptingCallInterface {
  /** Inflates a message. @param framed the message with its 5-byte header. @throws StatusObject */
  decompressMessage(framed: Buffer, encoding: string): Buffer | Promise<Buffer>;
}

/**
 * Replaces the messages and limits of grpc-js for requests that fail before their handler: a
 * message that is malformed, too large or in an unknown encoding. Every status has details.
 *
 * @param path the method's path, such as `/hifi.v1.AnalyzerService/Analyze`
 */
export function guardLibraryCall(given: ServerInterceptingCallInterface, path: string): void {
  const call = given as LibraryCall;
  const send = call.sendStatus.bind(call);
  call.sendStatus = (sent) => send(detailed(sent, path));
  call.decompressMessage = (framed, encoding) => inflated(framed.subarray(5), encoding);
}

function detailed(sent: SentStatus, path: string): SentStatus {
  const { code, details } = sent;
  if (code === status.OK || isDetailed(sent)) return sent;
  if (details === 'Error deserializing request') {
    return badRequest(`the request is no message of ${path.slice(1)} in protobuf's binary form`);
  }
  return { ...sent, metadata: statusOf(new RpcError(code, status[code], details)).metadata };
}

/**
 * Status of a request that is invalid as a whole. The path in the message is that of the method.
 */
function badRequest(message: string): SentStatus {
  const violations = [{ field: '', description: message }];
  return statusOf(new RpcError(status.INVALID_ARGUMENT, 'INVALID_INPUT', message, { violations }));
}

const UNPACK: Readonly<Record<string, (bytes: Buffer, options: zlib.ZlibOptions) => Promise<Buffer>>> = {
  gzip: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip),
  deflate: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate),
};

/**
 * Inflates a message. It rejects an excessive message before parsing, because parsing blocks all
 * calls.
 */
async function inflated(bytes: Buffer, encoding: string): Promise<Buffer> {
  if (encoding === 'identity') return bytes;
  if (!Object.hasOwn(UNPACK, encoding)) {
    const message = `the message's encoding is unknown; it must be one of identity, ${Object.keys(UNPACK).join(', ')}`;
    throw statusOf(new RpcError(status.UNIMPLEMENTED, 'UNKNOWN_ENCODING', message));
  }
  const maxOutputLength = Math.min(MESSAGE_BYTES, Math.max(INFLATES_LEAST, bytes.length * INFLATES));
  try {
    return await UNPACK[encoding](bytes, { maxOutputLength });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') {
      throw badRequest(`the request cannot be inflated: it must be compressed by ${encoding}`);
    }
    const message = `the message of ${bytes.length} bytes inflates to more than ${maxOutputLength}; send it in smaller parts, or uncompressed up to ${MESSAGE_BYTES} bytes`;
    throw statusOf(new RpcError(status.RESOURCE_EXHAUSTED, 'MESSAGE_TOO_LARGE', message));
  }
}
