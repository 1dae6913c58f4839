import { randomBytes } from 'node:crypto';
import type * as http from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HifiError } from '../../foundation/errors';
import type { ArtifactStore } from '../../infra/artifacts/store';
import type { Guard } from '../../infra/grpc/credentials';
import { refusal } from '../../infra/grpc/tokens';
import type { ClassifyOverHttp } from '../../infra/http/classify';
import { HttpServer, pathOf, sendLine } from '../../infra/http/http-server';
import type { Logger } from '../../infra/log';
import { GRACE_MS } from '../../infra/service/service-server';
import { httpStatusOf } from '../../proto/http-status';
import { type RpcError, rpcErrorOf, status } from '../../proto/status';
import { eventJson, jobJson } from '../job-message';
import { deltaJson } from '../registry/delta-message';
import { reachedVersions } from '../registry/named-delta';
import type { Scheduler } from '../scheduler';
import type { JobStore } from '../store';
import { listedSpec } from '../stored-spec';
import { cutIdleReader, EventStream } from './event-stream';
import { page } from './page';

export interface LiveParts {
  store: JobStore;
  artifacts: ArtifactStore;
  scheduler: Scheduler;
  log: Logger;
  guard: Guard;
  classify: ClassifyOverHttp;
}

/** Largest number of jobs that the page shows at first, the latest first. */
const MOST_JOBS = 100;
/** Number of names of deltas that the page shows. */
const MOST_NAMES = 100;
/** Mark of the registered deltas among the ids of changed jobs. */
const DELTAS = '';
/** Pause before changes are sent again that a store away has held up, in milliseconds. */
const AWAY_MS = 1000;
const COOKIE = 'hifi-session';
/** Largest request body that is read, in bytes: a token. */
const MOST_BODY = 4096;

/** File extension → content type; a browser saves any other file. */
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  json: 'application/json',
  csv: 'text/csv; charset=utf-8',
  svg: 'image/svg+xml',
};

/**
 * Server of the live page, which shows jobs, their progress and their reports, and of
 * `POST /v1/classify`, which an analyzer answers. A browser that has sent a token of the role `run`
 * gets a session cookie. Only pages of this server can change anything: a request must name a host
 * of this server, and one that changes something needs a header that other pages cannot send.
 */
export class LiveServer {
  private readonly server: HttpServer;
  /** Sessions that have sent a token. */
  private readonly sessions = new Set<string>();

  constructor(private readonly parts: LiveParts) {
    this.server = new HttpServer(
      parts.guard,
      (request, response) => this.answer(request, response),
      (response, thrown) => this.fail(response, thrown),
    );
  }

  /** Starts to listen. @returns the port. @throws HifiError FAILED if the port is in use */
  start(host: string, port: number): Promise<number> {
    return this.server.start(host, port);
  }

  async stop(): Promise<void> {
    await this.parts.classify.drain(GRACE_MS);
    await this.server.stop();
  }

  private async answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = 'GET' } = request;
    const path = pathOf(request);
    const { classify } = this.parts;
    if (path === classify.path) return classify.answer(request, response);
    if (method === 'GET' && path === '/') return this.sendPage(response);
    if (method === 'POST' && request.headers['x-hifi'] !== '1') return sendLine(response, 403, 'x-hifi is missing');
    if (method === 'POST' && path === '/session') return this.openSession(request, response);
    const refused = this.hasSession(request) ? undefined : this.refusal(request.headers.authorization);
    if (refused) return sendRefusal(response, refused, 'the token is missing');

    const [, id, rest] = /^\/jobs\/([0-9a-z]+)\/(.+)$/.exec(path) ?? [];
    if (method === 'GET' && path === '/jobs') return this.sendJobs(response);
    if (method === 'GET' && path === '/deltas') return this.sendDeltas(response);
    if (method === 'GET' && path === '/changes') return this.sendChanges(response);
    if (method === 'GET' && rest === 'events') return this.sendEvents(id, response);
    if (method === 'POST' && rest === 'cancel') {
      await this.parts.scheduler.cancel(id);
      return sendJson(response, await this.listed(id));
    }
    const name = method === 'GET' && rest !== undefined ? decoded(rest) : undefined;
    if (name !== undefined) return this.sendArtifact(id, name, response);
    sendLine(response, 404, 'there is no such page');
  }

  private sendPage(response: http.ServerResponse): void {
    const nonce = randomBytes(16).toString('base64');
    response.setHeader(
      'content-security-policy',
      `default-src 'none'; connect-src 'self'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    response.setHeader('content-type', TYPES.html).end(page(nonce));
  }

  private async openSession(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { tokens, tls } = this.parts.guard;
    if (tokens === undefined) return sendLine(response, 401, 'the token is wrong');
    const refused = this.refusal(await bodyOf(request));
    if (refused) return sendRefusal(response, refused, 'the token is wrong');
    const session = randomBytes(32).toString('base64url');
    this.sessions.add(session);
    response.setHeader('set-cookie', `${COOKIE}=${session}; HttpOnly; SameSite=Strict; Path=/${tls ? '; Secure' : ''}`);
    response.writeHead(204).end();
  }

  /** Error of a request without a token that suffices for the jobs. */
  private refusal(authorization: string | undefined): RpcError | undefined {
    return refusal(authorization, this.parts.guard.tokens, 'the live page', 'run');
  }

  private hasSession({ headers }: http.IncomingMessage): boolean {
    const cookies = (headers.cookie ?? '').split(/;\s*/).map((cookie) => cookie.split('='));
    return cookies.some(([name, value]) => name === COOKIE && this.sessions.has(value));
  }

  /** Returns a job in its list form; undefined if it was deleted. */
  private async listed(id: string): Promise<unknown> {
    const { store } = this.parts;
    try {
      return jobJson(await store.get(id), listedSpec(await store.spec(id)));
    } catch (thrown) {
      if (HifiError.from(thrown).code === 'NOT_FOUND') return undefined;
      throw thrown;
    }
  }

  private async sendJobs(response: http.ServerResponse): Promise<void> {
    const jobs: unknown[] = [];
    for await (const record of this.parts.store.list()) {
      const job = await this.listed(record.id);
      if (job !== undefined && jobs.push(job) === MOST_JOBS) break;
    }
    sendJson(response, { jobs });
  }

  /** Sends the versions that references without a number reach. */
  private sendDeltas(response: http.ServerResponse): void {
    const deltas: unknown[] = [];
    let names = 0;
    for (const delta of this.parts.store.deltas.list()) {
      deltas.push(...reachedVersions(delta).map((version) => deltaJson(delta, version)));
      if (++names === MOST_NAMES) break;
    }
    sendJson(response, { deltas });
  }

  /**
   * Yields the latest state of every changed job, and that deltas have changed; a slow reader skips
   * intermediate states.
   */
  private sendChanges(response: http.ServerResponse): void {
    const { store } = this.parts;
    const stream = new EventStream(response);
    const changed = new Set<string>();
    let sending = false;
    const send = async () => {
      if (sending) return;
      sending = true;
      try {
        // The loop also reaches items that are added during it.
        for (const id of changed) {
          changed.delete(id);
          await this.sendChange(id, stream).catch((error) => {
            changed.add(id);
            throw error;
          });
        }
      } finally {
        sending = false;
      }
    };
    const change = (id: string) => {
      changed.add(id);
      send().catch(again);
    };
    /** Tries again while the store is away. If the reader has left, the stream's end stops all. */
    const again = () => {
      if (!stream.signal.aborted) setTimeout(() => send().catch(again), AWAY_MS).unref();
    };
    const stops = [store.onChange(change), store.deltas.onChange(() => change(DELTAS))];
    response.once('close', () => {
      for (const stop of stops) stop();
    });
  }

  private async sendChange(id: string, stream: EventStream): Promise<void> {
    if (id === DELTAS) return stream.send('deltas', null);
    const job = await this.listed(id);
    await (job === undefined ? stream.send('gone', id) : stream.send('job', job));
  }

  /** Sends a job's past events, then new ones. */
  private async sendEvents(id: string, response: http.ServerResponse): Promise<void> {
    const { store } = this.parts;
    await store.get(id);
    const stream = new EventStream(response);
    try {
      for await (const event of store.watch(id, 1, stream.signal)) await stream.send('event', eventJson(event));
      await stream.send('end', id);
    } catch {
      // The reader has left, or the job is deleted.
    }
    stream.end();
  }

  private async sendArtifact(id: string, name: string, response: http.ServerResponse): Promise<void> {
    const { store, artifacts } = this.parts;
    const { artifacts: stored } = await store.get(id);
    const found = stored.find((artifact) => artifact.name === name);
    if (!found) return sendLine(response, 404, `job ${id} has no ${name}`);
    const bytes = artifacts.read(found.sha256, 0, 1 << 18);
    // A lost file is reported before the response begins.
    const first = await bytes.next();
    const type = TYPES[name.split('.').at(-1) as string];
    response.setHeader('content-type', type ?? 'application/octet-stream');
    response.setHeader('content-length', found.sizeBytes);
    if (!type) response.setHeader('content-disposition', 'attachment');
    // A report contains texts of the dataset's author: the sandbox isolates it from this page.
    response.setHeader('content-security-policy', 'sandbox allow-scripts allow-downloads');
    cutIdleReader(response);
    try {
      await pipeline(Readable.from(continued(first, bytes)), response);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error; // otherwise the reader has left
    }
  }

  private fail(response: http.ServerResponse, thrown: unknown): void {
    const error = rpcErrorOf(thrown);
    const isFull = thrown instanceof HifiError && thrown.code === 'DISK_FULL';
    const code = isFull ? 507 : httpStatusOf(error);
    if (code === 500) this.parts.log.error({ err: thrown }, 'the live page failed');
    sendLine(response, code, code === 500 ? 'internal error; the service has logged it' : error.message);
  }
}

/** Bytes whose first part has been read. */
async function* continued(first: IteratorResult<Buffer, unknown>, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (!first.done) yield first.value;
  yield* rest;
}

/** Decodes a path's escapes; undefined if they are invalid. */
function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** Refuses a request without a token, or with one that does not suffice. */
function sendRefusal(response: http.ServerResponse, { code, message }: RpcError, missing: string): void {
  if (code === status.UNAUTHENTICATED) sendLine(response, 401, missing);
  else sendLine(response, 403, message);
}

function sendJson(response: http.ServerResponse, value: unknown): void {
  response.setHeader('content-type', TYPES.json).setHeader('cache-control', 'no-store').end(JSON.stringify(value));
}

async function bodyOf(request: http.IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > MOST_BODY) return '';
  }
  return body.trim();
}
