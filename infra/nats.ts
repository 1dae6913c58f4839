import { setMaxListeners } from 'node:events';
import { setTimeout as delay, setImmediate as microtasksDone } from 'node:timers/promises';
import { JetStreamApiError, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import {
  connect,
  type MsgHdrs,
  type NatsConnection,
  type NodeConnectionOptions,
  PermissionViolationError,
  TimeoutError,
} from '@nats-io/transport-node';
import { Backoff, type Pauses } from '../foundation/backoff';
import { failed, invalidInput } from '../foundation/errors';
import { unlessAborted } from '../foundation/unless-aborted';
import { natsAuthenticator } from './nats-credentials';

/** Longest wait for a connection to a server, in milliseconds. */
const CONNECT_MS = 5_000;
/** Pauses between two attempts at a server that is away or refuses, in milliseconds. */
export const NATS_PAUSES: Pauses = { first: 250, longest: 30_000 };
/**
 * Interval between two pings of a silent server, in milliseconds; after two without an answer it
 * counts as lost.
 */
const PING_MS = 20_000;

/** Server's error code if no part of it has JetStream. */
const NOT_ENABLED = 10_076;
/** Number of requests to JetStream before it counts as silent; each waits for 5 s. */
const MAX_REQUESTS = 3;

/** Address of NATS, with the user's credentials. */
export interface NatsAddress {
  /** Hosts and ports, for messages; no credentials. */
  shown: string;
  /** Hosts and ports; any of them may answer. */
  servers: string[];
  options: NodeConnectionOptions;
}

/**
 * Parses the address of NATS.
 *
 * @param url `nats://HOST:PORT` or `tls://HOST:PORT`, with `USER:PASSWORD@` or `TOKEN@` if the
 *   server requires them; commas separate the servers of a cluster. NATS_CREDS names a credentials
 *   file or a file with an nkey seed.
 * @throws HifiError INVALID_INPUT, which shows no part of a password
 */
export function natsAddress(url: string): NatsAddress {
  const servers = url.split(',').map(serverAt);
  const { username, password } = servers.find((server) => server.username !== '') ?? servers[0];
  const creds = process.env.NATS_CREDS;
  const options: NodeConnectionOptions = {
    timeout: CONNECT_MS,
    // The library's own reconnection holds a promise for every failed attempt until one succeeds.
    reconnect: false,
    pingInterval: PING_MS,
    ...(servers.some(({ protocol }) => protocol === 'tls:') && { tls: {} }),
    ...(password !== '' && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(username !== '' && password === '' && { token: decodeURIComponent(username) }),
    ...(creds && { authenticator: natsAuthenticator(creds) }),
  };
  const hosts = servers.map(({ host }) => host);
  return { shown: hosts.join(', '), servers: hosts, options };
}

/**
 * Connects once.
 *
 * @param name name of this client in the server's lists
 * @throws HifiError FAILED if no server answers or accepts this client
 */
export async function connectNats({ shown, servers, options }: NatsAddress, name: string): Promise<NatsLink> {
  try {
    return new NatsLink(await connect({ ...options, servers, name }));
  } catch (error) {
    throw failed(`no connection to NATS at ${shown}: ${(error as Error).message}`, error);
  }
}

/**
 * Connects as soon as a server is available.
 *
 * @param away receives the error of each failed attempt
 * @throws the signal's reason
 */
export async function awaitNats(
  address: NatsAddress,
  name: string,
  signal: AbortSignal,
  away: (error: unknown) => void = () => {},
  pauses = NATS_PAUSES,
): Promise<NatsLink> {
  const backoff = new Backoff(pauses);
  for (;;) {
    const dialled = connectNats(address, name);
    try {
      return await unlessAborted(dialled, signal);
    } catch (error) {
      if (signal.aborted) {
        dialled.then((late) => late.close()).catch(() => {});
        throw error;
      }
      away(error);
      await delay(backoff.next(), undefined, { signal });
    }
  }
}

/** Connection to NATS, until it is lost. */
export class NatsLink {
  /** True while the server's first information, such as `maxBytes`, is current. */
  fresh = true;
  /** Servers of the cluster, from this server's latest list. */
  cluster: readonly string[];
  private readonly loss = new AbortController();
  /** Latest permission errors of this user: messages to publish and subjects to subscribe to. */
  private denials: PermissionViolationError[] = [];
  /** Latest other error of the server, after which it closes the connection. */
  private fault: Error | undefined;

  constructor(readonly nc: NatsConnection) {
    // Each request that waits has a listener.
    setMaxListeners(0, this.loss.signal);
    this.cluster = nc.info?.connect_urls ?? [];
    void this.watchStatus();
    void nc.closed().then(() => {
      const why = this.fault ? `: ${this.fault.message}` : '';
      this.loss.abort(failed(`the connection to NATS was lost${why}`, this.fault));
    });
  }

  /** Aborts when the connection is lost; the cause of its reason is the server's last error. */
  get lost(): AbortSignal {
    return this.loss.signal;
  }

  /** Largest message that the server accepts, in bytes with headers. */
  get maxBytes(): number {
    return this.nc.info?.max_payload ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Publishes a message and settles once the server has accepted it.
   *
   * @throws PermissionViolationError if the user may not publish it; the reason of `lost`
   */
  async publish(subject: string, body: string, headers: MsgHdrs): Promise<void> {
    this.lost.throwIfAborted();
    this.denials = [];
    this.nc.publish(subject, body, { headers });
    await this.flush();
    // A server refuses a message by an error on the connection, which precedes the PONG of that
    // flush. The library's iterator emits the error some microtasks after the flush settles.
    await microtasksDone();
    const denial = this.denials.find((each) => each.operation === 'publish' && ['', subject].includes(each.subject));
    if (denial) throw denial;
  }

  /**
   * Settles once the server has read all sent messages; fails at once if the connection is lost.
   *
   * @throws the reason of `lost`
   */
  async flush(): Promise<void> {
    await unlessAborted(this.nc.flush(), this.lost);
  }

  async close(): Promise<void> {
    await this.nc.close();
  }

  private async watchStatus(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === 'update') this.cluster = this.nc.info?.connect_urls ?? [];
      if (status.type !== 'error') continue;
      if (status.error instanceof PermissionViolationError) this.denials = [...this.denials, status.error].slice(-8);
      else this.fault = status.error;
    }
  }
}

/** Returns the missing permission, if an attempt failed because of one. */
export function denialIn(error: unknown): PermissionViolationError | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof PermissionViolationError) return each;
  }
  return undefined;
}

/** Describes the missing permission, if an attempt failed because of one. */
export function denialOf(error: unknown): string | undefined {
  const denial = denialIn(error);
  if (!denial) return undefined;
  // The rest of an inbox's name is random.
  const subject = denial.subject.replace(/^_INBOX\..*/, '_INBOX.>');
  return `this NATS user may not ${denial.operation === 'publish' ? 'publish' : 'subscribe'} to "${subject}"`;
}

/**
 * JetStream, or the reason that it is not usable. `hidden` is true if it may exist although this
 * user cannot ask it.
 */
export type JetStream =
  | { manager: JetStreamManager; lacks?: undefined }
  | { manager?: undefined; lacks: string; hidden: boolean };

/**
 * Finds out if the server has JetStream for this user.
 *
 * @throws Error if that is unknown: the server is away, or a cluster has no leader yet
 */
export async function findJetStream({ nc, lost }: NatsLink): Promise<JetStream> {
  for (let request = 1; ; request++) {
    try {
      return { manager: await unlessAborted(jetstreamManager(nc), lost) };
    } catch (error) {
      const denied = denialOf(error);
      if (denied !== undefined) return { lacks: denied, hidden: true };
      // The account may not use it, no one answers, or no server of the cluster has it.
      if ((error as Error).name === 'JetStreamNotEnabled' || apiCode(error) === NOT_ENABLED) {
        return { lacks: 'this NATS server has no JetStream for this account', hidden: false };
      }
      if (!(error instanceof TimeoutError)) throw error;
      if (request === MAX_REQUESTS) {
        return { lacks: 'JetStream does not answer this NATS user on $JS.API', hidden: true };
      }
    }
  }
}

/** Returns JetStream's own code of an error; see `JetStreamApiCodes`. */
export const apiCode = (error: unknown) => (error instanceof JetStreamApiError ? error.code : undefined);

function serverAt(text: string): URL {
  const address = text.trim();
  const whole = address.includes('://') ? address : `nats://${address}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url && ['nats:', 'tls:'].includes(url.protocol) && url.hostname !== '') return url;
  throw invalidInput('the address of NATS must be nats://HOST:PORT or tls://HOST:PORT, several with commas');
}
