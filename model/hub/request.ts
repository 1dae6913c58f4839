import { setTimeout as sleep } from 'node:timers/promises';
import type { Headers, ProxyAgent, RequestInit, Response } from 'undici';
import { cancelled, failed } from '../../foundation/errors';
import { type HttpProxy, httpProxyFor } from './proxy';

/** Milliseconds that a server may take to respond, or to send the next bytes. */
const PATIENCE_MS = 15_000;
/** Number of tries after temporary errors. The wait doubles from one to the next. */
const TRIES = 5;
const FIRST_WAIT_MS = 300;
/** Number of redirects that are followed; the Hub needs one or two. */
const MOST_REDIRECTS = 5;
/** Statuses that may differ a moment later. */
const TEMPORARY = [408, 429, 500, 502, 503, 504];
/**
 * Errors of a machine without a network or of a missing server, which another try does not solve.
 */
const UNREACHABLE = ['ENOTFOUND', 'ECONNREFUSED', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'];

/** Error that may pass by itself: an interrupted connection, a busy server. */
export class TemporaryError extends Error {}
/** Error of a server that cannot be reached. */
class UnreachableError extends TemporaryError {}

/** Request to the Hub. */
export interface HubRequest {
  url: string;
  method?: 'GET' | 'HEAD';
  headers?: Record<string, string>;
  token?: string;
  signal?: AbortSignal;
}

/** Response of the Hub, or of the server to which it redirects. */
export interface HubResponse {
  status: number;
  headers: Headers;
  /**
   * Headers of the first host's responses on the way. Those of a CDN do not describe the Hub's
   * file.
   */
  hubHeaders: Headers[];
  /** Body in chunks. @throws TemporaryError if it ends too early or stalls; HifiError CANCELLED */
  body: AsyncGenerator<Uint8Array, void>;
}

/**
 * Sends one request. It follows redirects, and sends the token to the first host only. It closes
 * the connection when `use` ends, even if a part of the body is unread.
 * @param use receives the response, unless its status is a temporary error
 * @throws TemporaryError; HifiError CANCELLED; HifiError FAILED for endless redirects; any error of
 *   `use`
 */
export async function hubRequest<Result>(
  { url, method, headers, token, signal }: HubRequest,
  use: (response: HubResponse) => Result | Promise<Result>,
): Promise<Result> {
  const { origin, host } = new URL(url);
  const hubHeaders: Headers[] = [];
  let at = new URL(url);
  for (let hop = 0; hop <= MOST_REDIRECTS && /^https?:$/.test(at.protocol); hop++) {
    const own = at.origin === origin;
    const connection = new Connection(at, signal);
    try {
      const sent = { ...headers, ...(own && token && { authorization: `Bearer ${token}` }) };
      const response = await connection.open({ method, headers: sent });
      if (own) hubHeaders.push(response.headers);
      const { status } = response;
      const location = status >= 300 && status < 400 ? response.headers.get('location') : null;
      if (location === null && TEMPORARY.includes(status)) {
        throw new TemporaryError(`${connection.peer} responded with status ${status}`);
      }
      if (location === null) {
        return await use({ status, headers: response.headers, hubHeaders, body: connection.read(response) });
      }
      at = new URL(location, at);
    } finally {
      connection.close();
    }
  }
  throw failed(`${host} redirects too often, or not to a web address`);
}

/**
 * Runs `work`, and again after a temporary error.
 * @param advanced returns true if a failed try made progress, which restarts the count of tries
 */
export async function withRetries<T>(
  work: () => Promise<T>,
  { tries = TRIES, advanced = () => false, signal }: { tries?: number; advanced?: () => boolean; signal?: AbortSignal },
): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (error) {
      if (advanced()) tried = 1;
      if (!(error instanceof TemporaryError) || error instanceof UnreachableError || tried >= tries) throw error;
      await sleep(FIRST_WAIT_MS * 2 ** (tried - 1), undefined, { signal }).catch(() => {
        throw cancelled();
      });
    }
  }
}

/** Agents by proxy, whose connections are reused. */
const agents = new Map<string, ProxyAgent>();

/** Creates a tunnel through the proxy (CONNECT), for http as for https. */
function agentOf({ url }: HttpProxy, make: typeof ProxyAgent): ProxyAgent {
  const agent = agents.get(url.href) ?? new make({ uri: url.href });
  agents.set(url.href, agent);
  return agent;
}

/** Connection for one request. It aborts if its server is silent for too long. */
class Connection {
  private readonly silence = new AbortController();
  private readonly ends: AbortSignal;
  private timer: NodeJS.Timeout | undefined;

  private readonly proxy: HttpProxy | undefined;
  /** Name of the peer in messages: the host, and the proxy on the way. */
  readonly peer: string;

  /** @throws HifiError INVALID_INPUT for an invalid proxy */
  constructor(
    private readonly url: URL,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.proxy = httpProxyFor(url);
    this.peer = this.proxy === undefined ? url.host : `${url.host} (through the proxy ${this.proxy.shown})`;
    this.ends = signal ? AbortSignal.any([signal, this.silence.signal]) : this.silence.signal;
  }

  async open(init: RequestInit): Promise<Response> {
    this.wait();
    try {
      // Node's own fetch has no proxy support before 24. The library loads slowly, so it loads only
      // for a download.
      const { fetch, ProxyAgent } = await import('undici');
      const dispatcher = this.proxy && agentOf(this.proxy, ProxyAgent);
      return await fetch(this.url, { ...init, dispatcher, redirect: 'manual', signal: this.ends });
    } catch (error) {
      throw this.failure(error);
    } finally {
      clearTimeout(this.timer);
    }
  }

  async *read({ body }: Response): AsyncGenerator<Uint8Array, void> {
    if (body === null) return;
    const reader = body.getReader();
    try {
      for (;;) {
        this.wait();
        const { done, value } = await reader.read();
        clearTimeout(this.timer);
        if (done) return;
        yield value;
      }
    } catch (error) {
      throw this.failure(error);
    }
  }

  close(): void {
    clearTimeout(this.timer);
    this.silence.abort();
  }

  private wait(): void {
    this.timer = setTimeout(() => this.silence.abort(), PATIENCE_MS);
  }

  private failure(error: unknown): Error {
    if (this.signal?.aborted) return cancelled();
    if (this.silence.signal.aborted) return new TemporaryError(`${this.peer} is silent for ${PATIENCE_MS / 1000} s`);
    const { code, message } = (error as { cause?: { code?: string; message?: string } }).cause ?? {};
    if (code !== undefined && UNREACHABLE.includes(code)) {
      return new UnreachableError(`${this.peer} cannot be reached (${code})`, { cause: error });
    }
    const why = message ?? (error as Error).message;
    return new TemporaryError(`the connection to ${this.peer} was interrupted (${why})`, { cause: error });
  }
}
