import * as path from 'node:path';
import {
  create,
  type DescMessage,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import {
  type CallOptions,
  Client,
  type ClientReadableStream,
  type ClientWritableStream,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { service as HealthService } from 'grpc-health-check';
import { cancelled } from '../../foundation/errors';
import { onAbort } from '../../foundation/on-abort';
import { errorOfStatus, RpcError, status } from '../../proto/status';
import { inject } from '../telemetry/propagation';
import { type CallAttempt, writeAttempt } from './attempts';
import type { Credentials } from './credentials';
import { methodDefinition } from './definition';
import { channelCredentials } from './grpc-credentials';
import { IMMEDIATE } from './handlers';
import { quietLibrary } from './library-log';
import { MESSAGE_BYTES } from './limits';
import { grpcProxyFor } from './proxy';

/** Limits of a call. */
export interface CallSettings {
  signal?: AbortSignal;
  /** Time until DEADLINE_EXCEEDED, in milliseconds. Default: none. */
  timeoutMs?: number;
  /** Attempt at a job that the call belongs to; see `latestAttempts`. */
  attempt?: CallAttempt;
  /** Base that the worker may hold in memory from an earlier call; see `Workers`. */
  model?: string;
  /** Refuses the call if the service is busy, instead of letting it wait. Default: false. */
  immediate?: boolean;
}

/** Calls of a service, by one connection or by several. */
export type Calls = Pick<GrpcClient, 'unary' | 'stream'>;

/** Settings of a connection. */
export interface ConnectionSettings {
  /** Name in the server's certificate. Default: the host of the address. */
  serverName?: string;
  /** Time without messages after which an open call checks the connection, in milliseconds. */
  keepaliveMs?: number;
}

/** Message of `grpc.health.v1.Health/Watch`. */
interface HealthStatus {
  status: 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}

/** Connection to a service: calls are async functions and generators, errors are `RpcError`s. */
export class GrpcClient {
  private readonly client: Client;
  private readonly proxy: string | undefined;

  /**
   * Creates a client, which connects at its first call.
   *
   * @param address `HOST:PORT`, or `unix:PATH` of a socket that is named after its service
   */
  constructor(
    readonly address: string,
    private readonly credentials: Credentials = {},
    { serverName, keepaliveMs = 30_000 }: ConnectionSettings = {},
  ) {
    quietLibrary();
    this.proxy = grpcProxyFor(address);
    this.client = new Client(address, channelCredentials(credentials), {
      'grpc.max_receive_message_length': MESSAGE_BYTES,
      'grpc.max_send_message_length': MESSAGE_BYTES,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.keepalive_timeout_ms': Math.min(keepaliveMs, 20_000),
      ...(serverName !== undefined && {
        'grpc.default_authority': `${serverName}${/:\d+$/.exec(address)?.[0] ?? ''}`,
        'grpc.ssl_target_name_override': serverName,
      }),
      'grpc.enable_http_proxy': this.proxy === undefined ? 0 : 1,
      // Short pauses find a restarted service again soon.
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 2000,
      'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    });
  }

  /** Server in a message, which may reach a client: the service instead of a socket's path. */
  get shown(): string {
    return this.address.startsWith('unix:') ? `the ${path.basename(this.address, '.sock')}` : this.address;
  }

  /** Makes a call with one answer. @throws RpcError the service's error */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    settings: CallSettings = {},
  ): Promise<MessageShape<O>> {
    const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
    const message = create(method.input, request) as Message;
    let forget = () => {};
    try {
      return await new Promise((resolve, reject) => {
        const call = this.client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          message,
          this.metadata(settings),
          optionsOf(settings),
          (error, response) => (error ? reject(this.errorOf(error)) : resolve(response as MessageShape<O>)),
        );
        forget = onAbort(settings.signal, () => call.cancel());
      });
    } finally {
      forget();
    }
  }

  /**
   * Yields the service's messages as fast as they are read. Leaving the loop cancels the call.
   *
   * @throws RpcError the service's error
   */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    settings: CallSettings = {},
  ): AsyncGenerator<MessageShape<O>, void> {
    const message = create(method.input, request) as Message;
    yield* this.messages(methodDefinition(method), message, settings) as AsyncGenerator<MessageShape<O>>;
  }

  /**
   * Follows the health of the whole server: yields true while it serves, from now on.
   *
   * @throws RpcError the service's error; UNIMPLEMENTED if it reports no health
   */
  async *health(signal: AbortSignal): AsyncGenerator<boolean, void> {
    const watch = HealthService.Watch as MethodDefinition<{ service: string }, HealthStatus>;
    for await (const { status } of this.messages(watch, { service: '' }, { signal })) yield status === 'SERVING';
  }

  /** Makes a call with a stream of answers. @throws as {@link stream} */
  private async *messages<Q, M>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Q, M>,
    request: Q,
    settings: CallSettings,
  ): AsyncGenerator<M, void> {
    if (settings.signal?.aborted) throw cancelled();
    const call: ClientReadableStream<M> = this.client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      this.metadata(settings),
      optionsOf(settings),
    );
    const forget = onAbort(settings.signal, () => call.cancel());
    try {
      for await (const message of call) yield message as M;
    } catch (error) {
      if (settings.signal?.aborted) throw cancelled();
      throw this.errorOf(error as ServiceError);
    } finally {
      forget();
      call.cancel();
    }
  }

  /** Sends messages as fast as the service takes them. @throws RpcError the service's error */
  async upload<I extends DescMessage, O extends DescMessage>(
    method: DescMethodClientStreaming<I, O>,
    requests: AsyncIterable<MessageInitShape<I>>,
    settings: CallSettings = {},
  ): Promise<MessageShape<O>> {
    const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
    let call: ClientWritableStream<Message> | undefined;
    let over = false;
    const answer = new Promise<MessageShape<O>>((resolve, reject) => {
      call = this.client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        this.metadata(settings),
        optionsOf(settings),
        (error, response) => {
          over = true;
          call?.emit('drain');
          if (error) reject(this.errorOf(error));
          else resolve(response as MessageShape<O>);
        },
      );
    });
    answer.catch(() => {}); // awaited below
    const stream = call!;
    const forget = onAbort(settings.signal, () => stream.cancel());
    try {
      for await (const request of requests) {
        if (over) break;
        const more = stream.write(create(method.input, request) as Message);
        if (!more && !over) await new Promise((resolve) => stream.once('drain', resolve));
      }
      stream.end();
      return await answer;
    } catch (error) {
      stream.cancel();
      throw error;
    } finally {
      forget();
    }
  }

  close(): void {
    this.client.close();
  }

  /** Converts a call's error; describes a failed connection. */
  private errorOf(error: ServiceError): RpcError {
    const found = errorOfStatus(error);
    if (found.code === status.UNIMPLEMENTED) {
      const [, service] = /hifi\.v1\.(\w+)\//.exec(found.message) ?? [];
      const what = service === undefined ? 'this call' : `the ${service}`;
      const right = 'give the port of the service that has it';
      return new RpcError(found.code, found.reason, `${this.shown} does not have ${what}: ${right}`, { cause: error });
    }
    if (found.code !== status.UNAVAILABLE || !found.message.includes('No connection established')) return found;
    const [reason = 'no connection'] = /\bE[A-Z]{4,}\b|certificate[\w ]*/.exec(found.message) ?? [];
    const { proxy } = this;
    const by = proxy === undefined ? '' : ` by the proxy of ${proxy}; list hosts to reach without it in no_proxy`;
    const details = { unreachable: proxy === undefined, cause: error };
    return new RpcError(found.code, found.reason, `${this.shown} cannot be reached (${reason})${by}`, details);
  }

  private metadata({ attempt, immediate }: CallSettings): Metadata {
    const metadata = new Metadata();
    const { token } = this.credentials;
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    if (attempt) writeAttempt(metadata, attempt);
    if (immediate) metadata.set(IMMEDIATE, 'true');
    inject(metadata);
    return metadata;
  }
}

const optionsOf = ({ timeoutMs }: CallSettings): CallOptions =>
  timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
