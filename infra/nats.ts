import * as fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiError, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { failed, invalidInput } from '../errors';

/** How long a server may take to answer a connection, in milliseconds. */
const CONNECT_MS = 5_000;
/** Between two attempts at a server that is away, in milliseconds. */
const RETRY_MS = 500;
/** Between two questions whether a silent server is still there, in milliseconds; two without an answer and it is not. */
const PING_MS = 20_000;

/** What the server answers where JetStream is on in no part of it. */
const NOT_ENABLED = 10_076;

/** Where NATS is, and as whom it is spoken to. */
export interface NatsAddress {
  /** Hosts and ports: all that a message may tell. */
  shown: string;
  options: NodeConnectionOptions;
}

/**
 * @param url `nats://HOST:PORT` or `tls://HOST:PORT`, with `USER:PASSWORD@` or `TOKEN@` where the server asks for them; several
 *   servers of a cluster with commas. A credentials file is NATS_CREDS's.
 * @throws HifiError INVALID_INPUT, which tells nothing of a password
 */
export function natsAddress(url: string): NatsAddress {
  const servers = url.split(',').map(serverAt);
  const { username, password } = servers.find((server) => server.username !== '') ?? servers[0];
  const creds = process.env.NATS_CREDS;
  const options: NodeConnectionOptions = {
    servers: servers.map(({ host }) => host),
    timeout: CONNECT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MS,
    pingInterval: PING_MS,
    // A password may be put right, or a token renewed, while this runs.
    ignoreAuthErrorAbort: true,
    ...(servers.some(({ protocol }) => protocol === 'tls:') && { tls: {} }),
    ...(password !== '' && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(username !== '' && password === '' && { token: decodeURIComponent(username) }),
    ...(creds && { authenticator: credsAuthenticator(read(creds)) }),
  };
  return { shown: servers.map(({ host }) => host).join(', '), options };
}

/**
 * Connects once; from then on the connection comes back by itself whenever it is lost.
 *
 * @param name what the server's own lists call this client
 * @throws HifiError FAILED where no server answers or lets this client in
 */
export async function connectNats({ shown, options }: NatsAddress, name: string): Promise<NatsConnection> {
  try {
    return await connect({ ...options, name });
  } catch (error) {
    throw failed(`no connection to NATS at ${shown}: ${(error as Error).message}`, error);
  }
}

/**
 * Connects as soon as a server is there.
 *
 * @param away told why it is not, at each attempt
 * @throws the signal's reason
 */
export async function awaitNats(
  address: NatsAddress,
  name: string,
  signal: AbortSignal,
  away: (error: unknown) => void,
): Promise<NatsConnection> {
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
      await delay(RETRY_MS, undefined, { signal });
    }
  }
}

/** Is aborted once the connection is lost, also where it comes back. */
export function lossOf(nc: NatsConnection): AbortSignal {
  const lost = new AbortController();
  const watch = async () => {
    for await (const { type } of nc.status()) if (type === 'disconnect' || type === 'close') break;
    lost.abort(failed('the connection to NATS was lost'));
  };
  void watch();
  return lost.signal;
}

/**
 * JetStream, where the server has it. That may be another after each reconnect.
 *
 * @throws Error where that is not known: the server is away, or a cluster has no leader yet
 */
export async function findJetStream(nc: NatsConnection): Promise<JetStreamManager | undefined> {
  try {
    return await jetstreamManager(nc);
  } catch (error) {
    // The account may not use it, or nobody answers; or no part of the server has it.
    if ((error as Error).name === 'JetStreamNotEnabled' || apiCode(error) === NOT_ENABLED) return undefined;
    throw error;
  }
}

/** JetStream's own code of an error; see `JetStreamApiCodes`. */
export const apiCode = (error: unknown) => (error instanceof JetStreamApiError ? error.code : undefined);

/** What a promise gives, or the signal's reason as soon as that is aborted. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    const settled = () => signal.removeEventListener('abort', abort);
    work.then(resolve, reject).then(settled);
  });
}

function serverAt(text: string): URL {
  const address = text.trim();
  const whole = address.includes('://') ? address : `nats://${address}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url && ['nats:', 'tls:'].includes(url.protocol) && url.hostname !== '') return url;
  throw invalidInput('the address of NATS must be nats://HOST:PORT or tls://HOST:PORT, several with commas');
}

function read(file: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw invalidInput(`NATS_CREDS is ${file}: it cannot be read: ${(error as Error).message}`, error);
  }
}
