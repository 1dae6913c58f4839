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
import { checkBind, type Guard } from './credentials';
import { serviceDefinition } from './definition';
import { serverCredentials } from './grpc-credentials';
import { type CallInterceptor, handlersOf, type Implementation } from './handlers';
import { guardLibraryCall } from './library-calls';
import { quietLibrary } from './library-log';
import { MESSAGE_BYTES, METADATA_BYTES } from './limits';
import { reflectionOf } from './reflection';
import { roleFor } from './roles';
import { type RoleToken, refusal } from './tokens';

/** Time in which calls may end when the server drains, in milliseconds. */
const DRAIN_MS = 10_000;

export interface ServerSettings {
  host: string;
  /** Port; 0 selects a free one. */
  port: number;
  guard?: Guard;
  /** Allows a bind to other machines without a guard. */
  insecure?: boolean;
  interceptor?: CallInterceptor;
}

/** gRPC server with health checks and reflection. */
export class GrpcServer {
  private readonly server: Server;
  private readonly health = new HealthImplementation({ '': 'NOT_SERVING' });
  private readonly services: DescService[] = [];
  private readonly closing = new AbortController();
  /** Calls whose handlers are still running. */
  private readonly working = new Set<Promise<void>>();

  constructor(private readonly settings: ServerSettings) {
    const { host, guard = {}, insecure = false } = settings;
    checkBind(host, guard, insecure);
    quietLibrary();
    // Each call adds a listener.
    setMaxListeners(0, this.closing.signal);
    this.server = new Server({
      'grpc.max_receive_message_length': MESSAGE_BYTES,
      'grpc.max_send_message_length': MESSAGE_BYTES,
      'grpc.keepalive_time_ms': 60_000,
      'grpc.keepalive_timeout_ms': 20_000,
      interceptors: [authInterceptor(guard.tokens)],
    });
    this.health.addToServer(this.server);
  }

  add<S extends DescService>(service: S, implementation: Implementation<S>): void {
    const { interceptor = (_, work) => work() } = this.settings;
    this.services.push(service);
    this.server.addService(
      serviceDefinition(service),
      handlersOf(service, implementation, interceptor, this.closing.signal, this.working),
    );
  }

  /**
   * Binds the port and serves.
   *
   * @param socket a Unix socket to serve as well, without TLS, for services of the same user
   * @returns the port
   * @throws HifiError FAILED if the port is in use
   */
  async start(socket?: string): Promise<number> {
    const { host, port, guard = {} } = this.settings;
    reflectionOf(this.services).addToServer(this.server);
    const address = `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
    try {
      if (socket !== undefined) await this.bind(`unix:${socket}`, ServerCredentials.createInsecure());
      const bound = await this.bind(address, serverCredentials(guard));
      this.setHealth('SERVING');
      return bound;
    } catch (error) {
      // A port that is already bound would keep the process alive.
      this.server.forceShutdown();
      throw error;
    }
  }

  /**
   * Reports NOT_SERVING, lets calls end, and ends them after a while. Settles when all handlers
   * have ended.
   */
  async drain(graceMs = DRAIN_MS): Promise<void> {
    this.setHealth('NOT_SERVING');
    const done = new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()));
    const abort = setTimeout(() => this.closing.abort(), graceMs);
    const force = setTimeout(() => this.server.forceShutdown(), graceMs + 2000);
    await done;
    // A call whose client has left is over for the server, but not for its handler: a training
    // saves a checkpoint.
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

  private setHealth(state: 'SERVING' | 'NOT_SERVING'): void {
    for (const name of ['', ...this.services.map(({ typeName }) => typeName)]) this.health.setStatus(name, state);
  }
}

/**
 * Interceptor that refuses calls with too large metadata, without a token or with one of too weak a
 * role. Health checks need no token.
 */
function authInterceptor(tokens: readonly RoleToken[] | undefined): ServerInterceptor {
  return ({ path }, call) => {
    guardLibraryCall(call, path);
    const method = path.slice(1);
    const needed = method.startsWith('grpc.health.v1.Health/') ? undefined : tokens;
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata: Metadata, pass) => {
            if (bytesOf(metadata) > METADATA_BYTES) return call.sendStatus(TOO_MUCH);
            const refused = refusal(metadata.get('authorization')[0], needed, method, roleFor(method));
            if (refused) call.sendStatus(statusOf(refused));
            else pass(metadata);
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

const bytesOf = (metadata: Metadata) =>
  Object.entries(metadata.toHttp2Headers()).reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
