import { setTimeout as sleep } from 'node:timers/promises';
import type { Headers, ProxyAgent, RequestInit, Response } from 'undici';
import { cancelled, failed } from '../../foundation/errors';
import { type HttpProxy, httpProxyFor } from './proxy';

/** How long a server may take to answer, or to send the next bytes, in milliseconds. */
const PATIENCE_MS = 15_000;
/** Tries of what may pass by itself; the wait doubles from one to the next. */
const TRIES = 5;
const FIRST_WAIT_MS = 300;
/** Redirects that are followed: the Hub needs one or two. */
const MOST_REDIRECTS = 5;
/** A server's answers that may be others a moment later. */
const PASSING = [408, 429, 500, 502, 503, 504];
/** Failures to find a server at all: a machine without a network, and no reason to try again. */
const UNREACHABLE = ['ENOTFOUND', 'ECONNREFUSED', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'];

/** What may pass by itself: a cut connection, a server that is busy. */
export class PassingError extends Error {}
/** No server was found. */
class UnreachableError extends PassingError {}

export interface HubRequest {
  url: string;
  method?: 'GET' | 'HEAD';
  headers?: Record<string, string>;
  token?: string;
  signal?: AbortSignal;
}

export interface HubAnswer {
  status: number;
  headers: Headers;
  /** Of the answers on the way there those of the first host: a CDN's headers say nothing of the Hub's file. */
  hubHeaders: Headers[];
  /** The body as it comes. @throws PassingError where it ends too early or stops coming; HifiError CANCELLED */
  body: AsyncGenerator<Uint8Array, void>;
}

/**
 * Sends one request. It follows redirects, and sends the token to the first host only. It closes
 * the connection when `use` ends, even if a part of the body is unread.
 * @param use receives the response, unless its status is a temporary error
 * @throws PassingError; HifiError CANCELLED; HifiError FAILED for endless redirects; any error of
 *   `use`
 */
export async function hubRequest<Result>(
  { url, method, headers, token, signal }: HubRequest,
  use: (answer: HubAnswer) => Result | Promise<Result>,
): Promise<Result> {
  const { origin, host } = new URL(url);
  const hubHeaders: Headers[] = [];
  let at = new URL(url);
  for (let hop = 0; hop <= MOST_REDIRECTS && /^https?:$/.test(at.protocol); hop++) {
    const own = at.origin === origin;
    const line = new Line(at, signal);
    try {
      const sent = { ...headers, ...(own && token && { authorization: `Bearer ${token}` }) };
      const response = await line.open({ method, headers: sent });
      if (own) hubHeaders.push(response.headers);
      const { status } = response;
      const location = status >= 300 && status < 400 ? response.headers.get('location') : null;
      if (location === null && PASSING.includes(status)) throw new PassingError(`${line.peer} answered ${status}`);
      if (location === null) {
        return await use({ status, headers: response.headers, hubHeaders, body: line.read(response) });
      }
      at = new URL(location, at);
    } finally {
      line.close();
    }
  }
  throw failed(`${host} redirects without end, or to no web address`);
}

/**
 * Runs `work` again and again while what fails may pass by itself.
 * @param advanced tells that a try that failed was not in vain: then the tries count from one again
 */
export async function persistently<T>(
  work: () => Promise<T>,
  { tries = TRIES, advanced = () => false, signal }: { tries?: number; advanced?: () => boolean; signal?: AbortSignal },
): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (error) {
      if (advanced()) tried = 1;
      if (!(error instanceof PassingError) || error instanceof UnreachableError || tried >= tries) throw error;
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

/** One connection, given up when its server is silent for too long. */
class Line {
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
    if (this.silence.signal.aborted) return new PassingError(`${this.peer} is silent for ${PATIENCE_MS / 1000} s`);
    const { code, message } = (error as { cause?: { code?: string; message?: string } }).cause ?? {};
    if (code !== undefined && UNREACHABLE.includes(code)) {
      return new UnreachableError(`${this.peer} cannot be reached (${code})`, { cause: error });
    }
    const why = message ?? (error as Error).message;
    return new PassingError(`the connection to ${this.peer} was interrupted (${why})`, { cause: error });
  }
}
