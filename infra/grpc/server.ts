import { setMaxListeners } from 'node:events';
import type { DescService } from '@bufbuild/protobuf';
import {
  type Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { RpcError, status, statusOf } from '../../proto/status';
import { addressError } from '../address-error';
import { bearsToken, checkBind, type Guard } from './credentials';
import { serviceDefinition } from './definition';
import { serverCredentials } from './grpc-credentials';
import { handlersOf, type Implementation, type Surround } from './handlers';
import { guardLibraryCall } from './library-calls';
import { quietLibrary } from './library-log';
import { MESSAGE_BYTES, METADATA_BYTES } from './limits';
import { reflectionOf } from './reflection';

/** How long calls may go on once the server drains, in milliseconds. */
const DRAIN_MS = 10_000;

export interface ServerSettings {
  host: string;
  /** 0: any that is free. */
  port: number;
  guard?: Guard;
  /** Allows a bind to other machines without a guard. */
  insecure?: boolean;
  surround?: Surround;
}

/** A gRPC server with health and reflection, its services and what ends them. */
export class GrpcServer {
  private readonly server: Server;
  private readonly health = new HealthImplementation({ '': 'NOT_SERVING' });
  private readonly services: DescService[] = [];
  private readonly closing = new AbortController();
  /** Calls whose handlers have not ended. */
  private readonly working = new Set<Promise<void>>();

  constructor(private readonly settings: ServerSettings) {
    const { host, guard = {}, insecure = false } = settings;
    checkBind(host, guard, insecure);
    quietLibrary();
    // Each call listens.
    setMaxListeners(0, this.closing.signal);
    this.server = new Server({
      'grpc.max_receive_message_length': MESSAGE_BYTES,
      'grpc.max_send_message_length': MESSAGE_BYTES,
      'grpc.keepalive_time_ms': 60_000,
      'grpc.keepalive_timeout_ms': 20_000,
      interceptors: [door(guard.token)],
    });
    this.health.addToServer(this.server);
  }

  add<S extends DescService>(service: S, implementation: Implementation<S>): void {
    const { surround = (_, work) => work() } = this.settings;
    this.services.push(service);
    this.server.addService(
      serviceDefinition(service),
      handlersOf(service, implementation, surround, this.closing.signal, this.working),
    );
  }

  /**
   * Binds and serves.
   *
   * @param socket a Unix socket to be served on too, without TLS: for services of the same user
   * @returns the port
   * @throws HifiError FAILED where the port is taken
   */
  async start(socket?: string): Promise<number> {
    const { host, port, guard = {} } = this.settings;
    reflectionOf(this.services).addToServer(this.server);
    const address = `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
    try {
      if (socket !== undefined) await this.bind(`unix:${socket}`, ServerCredentials.createInsecure());
      const bound = await this.bind(address, serverCredentials(guard));
      this.tellHealth('SERVING');
      return bound;
    } catch (error) {
      // A port that is already bound would keep the process alive.
      this.server.forceShutdown();
      throw error;
    }
  }

  /** Says that it does not serve any more, lets calls end, and after a while ends them. Their handlers have ended when this settles. */
  async drain(graceMs = DRAIN_MS): Promise<void> {
    this.tellHealth('NOT_SERVING');
    const done = new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()));
    const abort = setTimeout(() => this.closing.abort(), graceMs);
    const force = setTimeout(() => this.server.forceShutdown(), graceMs + 2000);
    await done;
    // A call that its client has left is over for the server, but not for its handler: a training saves what it has reached.
    await Promise.all(this.working);
    clearTimeout(abort);
    clearTimeout(force);
  }

  private bind(address: string, credentials: ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.bindAsync(address, credentials, (error, port) => {
        if (error) reject(addressError(address, error));
        else resolve(port);
      });
    });
  }

  private tellHealth(state: 'SERVING' | 'NOT_SERVING'): void {
    for (const name of ['', ...this.services.map(({ typeName }) => typeName)]) this.health.setStatus(name, state);
  }
}

/** Refuses calls with too many metadata or without the token; whether the server is well may be asked by anyone. */
function door(token: string | undefined): ServerInterceptor {
  return ({ path }, call) => {
    guardLibraryCall(call, path);
    const open = token === undefined || path.startsWith('/grpc.health.v1.Health/');
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata: Metadata, pass) => {
            if (bytesOf(metadata) > METADATA_BYTES) call.sendStatus(TOO_MUCH);
            else if (open || bearsToken(metadata.get('authorization')[0], token)) pass(metadata);
            else call.sendStatus(NO_TOKEN);
          },
        }),
    });
  };
}

const TOO_MUCH = statusOf(
  new RpcError(
    status.RESOURCE_EXHAUSTED,
    'METADATA_TOO_LARGE',
    `the call's metadata are too large; they must be ${METADATA_BYTES} bytes at most`,
  ),
);

const NO_TOKEN = statusOf(
  new RpcError(
    status.UNAUTHENTICATED,
    'UNAUTHENTICATED',
    'the call bears no valid token; its metadata must have authorization: Bearer TOKEN',
  ),
);

const bytesOf = (metadata: Metadata) =>
  Object.entries(metadata.toHttp2Headers()).reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
