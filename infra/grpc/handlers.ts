import type { EventEmitter } from 'node:events';
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type {
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { cancelled } from '../../foundation/errors';
import { RpcError, rpcErrorOf, status, statusOf } from '../../proto/status';

/** Metadata key of a call that must not wait for others. */
export const IMMEDIATE = 'hifi-immediate';

/** Context of a call, besides its request. */
export interface Call {
  /** Aborts when the client cancels or leaves, at the deadline, and when the server ends. */
  signal: AbortSignal;
  /** Full name of the method: `hifi.v1.AnalyzerService/Analyze`. */
  method: string;
  metadata: Metadata;
  /** True if the call must not wait for others: a busy service refuses it. */
  immediate: boolean;
  /** Ends the call as if its client had cancelled it. */
  end(): void;
  /**
   * Longest time that the reader of a stream may leave waiting messages unread, in milliseconds.
   * Then the call ends with UNAVAILABLE. A handler sets it if a client can continue with another
   * call. Default: no limit.
   */
  mostIdleMs?: number;
}

/**
 * Methods of a service as functions of messages: async functions, and async generators for streams.
 */
export type Implementation<S extends DescService> = {
  [M in keyof S['method']]: Handler<S['method'][M]>;
};

type Handler<M extends Pick<DescMethod, 'methodKind' | 'input' | 'output'>> = M['methodKind'] extends 'unary'
  ? (request: MessageShape<M['input']>, call: Call) => Promise<MessageInitShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageShape<M['input']>, call: Call) => AsyncIterable<MessageInitShape<M['output']>>
    : M['methodKind'] extends 'client_streaming'
      ? (requests: AsyncIterable<MessageShape<M['input']>>, call: Call) => Promise<MessageInitShape<M['output']>>
      : never;

/**
 * Wraps every call, for example in a span and a log line. It calls `work` once and sees its error.
 */
export type CallInterceptor = (call: Call, work: () => Promise<void>) => Promise<void>;

type AnyCall =
  | ServerUnaryCall<Message, Message>
  | ServerWritableStream<Message, Message>
  | ServerReadableStream<Message, Message>
  | ServerDuplexStream<Message, Message>;

/**
 * Creates the handlers of one service for grpc-js. Only here does a cancellation become an
 * `AbortSignal` and an error a `google.rpc.Status`, and only here does a stream wait for its
 * reader.
 *
 * @param closing aborts when the server wants its calls to end
 * @param working holds each call until its handler has ended, which may be after its client has
 *   left
 */
export function handlersOf<S extends DescService>(
  service: S,
  implementation: Implementation<S>,
  interceptor: CallInterceptor,
  closing: AbortSignal,
  working: Set<Promise<void>>,
): UntypedServiceImplementation {
  const handlers: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handle = (implementation as Record<string, AnyHandler>)[method.localName];
    handlers[method.localName] = handlerOf(method, handle.bind(implementation), interceptor, closing, working);
  }
  return handlers;
}

// biome-ignore lint/suspicious/noExplicitAny: `Implementation` has the types of each method
type AnyHandler = (request: any, call: Call) => any;

function handlerOf(
  method: DescMethod,
  handle: AnyHandler,
  interceptor: CallInterceptor,
  closing: AbortSignal,
  working: Set<Promise<void>>,
) {
  const output: DescMessage = method.output;
  return (call: AnyCall, callback?: sendUnaryData<Message>) => {
    const name = `${method.parent.typeName}/${method.name}`;
    const controller = new AbortController();
    const abort = () => controller.abort();
    closing.addEventListener('abort', abort, { once: true });
    if (closing.aborted || call.cancelled) abort();
    (call as EventEmitter).on('cancelled', abort);
    const { metadata } = call;
    const immediate = metadata.get(IMMEDIATE)[0] === 'true';
    const known: Call = { signal: controller.signal, method: name, metadata, immediate, end: abort };

    const work = async () => {
      const request = 'request' in call ? call.request : received(call, controller.signal);
      if (method.methodKind === 'server_streaming') {
        await sendAll(call as ServerWritableStream<Message, Message>, handle(request, known), output, known);
        (call as ServerWritableStream<Message, Message>).end();
      } else {
        callback?.(null, create(output, await handle(request, known)));
      }
    };
    const done = interceptor(known, work)
      .catch((thrown: unknown) => fail(call, closing.aborted ? goingDown() : rpcErrorOf(thrown), callback))
      .finally(() => {
        closing.removeEventListener('abort', abort);
        working.delete(done);
      });
    working.add(done);
  };
}

/** Error of a call that the server's end interrupts: a client can continue with another call. */
export const goingDown = () =>
  new RpcError(status.UNAVAILABLE, 'SHUTTING_DOWN', 'the service is shutting down; try again');

function fail(call: AnyCall, error: RpcError, callback?: sendUnaryData<Message>): void {
  const sent = statusOf(error);
  if (callback) callback(sent);
  else (call as ServerWritableStream<Message, Message>).emit('error', sent);
}

/** Yields a client's messages to their end. A client that disconnects before it is an error. */
async function* received(requests: AsyncIterable<Message>, signal: AbortSignal): AsyncGenerator<Message> {
  for await (const request of requests) yield request;
  if (signal.aborted) throw cancelled();
}

/**
 * Sends a stream's messages. It waits while the client is behind, so that a slow client costs no
 * memory.
 */
async function sendAll(
  stream: ServerWritableStream<Message, Message>,
  messages: AsyncIterable<MessageInitShape<DescMessage>>,
  output: DescMessage,
  call: Call,
): Promise<void> {
  for await (const message of messages) {
    if (call.signal.aborted) throw cancelled();
    if (!stream.write(create(output, message))) await drained(stream, call);
  }
  // A handler may treat a cancellation as its normal end.
  if (call.signal.aborted) throw cancelled();
}

/**
 * Waits until a stream accepts messages again.
 *
 * @throws RpcError UNAVAILABLE if its reader is idle for too long
 */
function drained(stream: ServerWritableStream<Message, Message>, { signal, mostIdleMs }: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    let waiting = stream.writableLength;
    const idle = () => {
      if (stream.writableLength < waiting) waiting = stream.writableLength;
      else stop();
    };
    const timer = mostIdleMs === undefined ? undefined : setInterval(idle, mostIdleMs);
    const end = (settle: () => void) => () => {
      clearInterval(timer);
      stream.off('drain', drain);
      signal.removeEventListener('abort', abort);
      settle();
    };
    const drain = end(resolve);
    const abort = end(() => reject(cancelled()));
    const stop = end(() => reject(tooIdle(mostIdleMs as number)));
    stream.once('drain', drain);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
}

const tooIdle = (ms: number) =>
  new RpcError(
    status.UNAVAILABLE,
    'READER_IDLE',
    `the reader took no message for ${ms / 1000} s; continue with another call`,
  );
