import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { MESSAGE_BYTES } from './limits';
import { badField, isDetailed, RpcError, type SentStatus, status, statusOf } from './status';

/** How many times its size a message may inflate to: texts and numbers do to 3 to 30 times, a bomb of zeros to 1,000. */
const INFLATES = 100;
/** What any message may inflate to, in bytes. */
const INFLATES_LEAST = 1 << 20;

/** The part of grpc-js 1.14's own call that it has no option for. */
interface LibraryCall extends ServerInterceptingCallInterface {
  /** @param framed the message behind its 5 bytes of head. @throws StatusObject */
  decompressMessage(framed: Buffer, encoding: string): Buffer | Promise<Buffer>;
}

/**
 * Puts this project's words and limits in the place of those of grpc-js, for what a call comes to before its handler sees it: a
 * message that is malformed, too large or in an unknown encoding. Every status that leaves has details.
 *
 * @param path the method's, `/hifi.v1.AnalyzerService/Analyze`
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
    return statusOf(badField('', `is no message of ${path.slice(1)} in protobuf's binary form`, 'the request'));
  }
  return { ...sent, metadata: statusOf(new RpcError(code, status[code], details)).metadata };
}

const UNPACK: Readonly<Record<string, (bytes: Buffer, options: zlib.ZlibOptions) => Promise<Buffer>>> = {
  gzip: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip),
  deflate: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate),
};

/** A message as it was before it was compressed. What is not taken is refused before it is read: reading it takes all calls' time. */
async function inflated(bytes: Buffer, encoding: string): Promise<Buffer> {
  if (encoding === 'identity') return bytes;
  if (!Object.hasOwn(UNPACK, encoding)) {
    const message = `the message's encoding is not known here: it must be one of identity, ${Object.keys(UNPACK).join(', ')}`;
    throw statusOf(new RpcError(status.UNIMPLEMENTED, 'UNKNOWN_ENCODING', message));
  }
  const maxOutputLength = Math.min(MESSAGE_BYTES, Math.max(INFLATES_LEAST, bytes.length * INFLATES));
  try {
    return await UNPACK[encoding](bytes, { maxOutputLength });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') {
      throw statusOf(badField('', `cannot be inflated: it must be compressed by ${encoding}`, 'the request'));
    }
    const message = `the message of ${bytes.length} bytes inflates to more than ${maxOutputLength}; send it in smaller parts, or uncompressed up to ${MESSAGE_BYTES} bytes`;
    throw statusOf(new RpcError(status.RESOURCE_EXHAUSTED, 'MESSAGE_TOO_LARGE', message));
  }
}
