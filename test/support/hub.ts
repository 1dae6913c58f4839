import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';

/*
 * Server that behaves like the Hugging Face Hub for downloads. It redirects small files on its own
 * host and large ones to a CDN on another port, has hashes as ETags, and supports Range. It fails
 * on demand.
 */

export interface Repository {
  /** Revision → commit. */
  refs: Record<string, string>;
  /** Commit → files. */
  commits: Record<string, Record<string, Buffer>>;
  /** Token that may see the repository. Default: anyone. */
  access?: { token: string; refusal: 'GatedRepo' | 'RepoNotFound' };
}

export interface Seen {
  host: 'hub' | 'cdn';
  method: string;
  url: string;
  authorization: string | undefined;
  range: string | undefined;
}

/** A single fault: another status, a body that is truncated or stalls, or wrong bytes. */
export type Fault = { status: number } | { cutAt: number } | { stallAt: number } | { body: Buffer } | { noRange: true };

export class FakeHub {
  readonly repositories: Record<string, Repository> = {};
  readonly seen: Seen[] = [];
  private readonly faults: { host: Seen['host']; url: RegExp; fault: Fault }[] = [];
  private readonly hub = http.createServer((request, response) => this.answerHub(request, response));
  private readonly cdn = http.createServer((request, response) => this.answerCdn(request, response));

  async start(): Promise<void> {
    for (const server of [this.hub, this.cdn]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  }

  async stop(): Promise<void> {
    for (const server of [this.hub, this.cdn]) {
      if (!server.listening) continue;
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.hub.address() as AddressInfo).port}`;
  }

  /** Makes the next GET of a matching URL fail. */
  fail(host: Seen['host'], url: RegExp, fault: Fault): void {
    this.faults.push({ host, url, fault });
  }

  /** Returns the files sent, each with its first byte, and empties the list. */
  takeSeen(): Seen[] {
    return this.seen.splice(0);
  }

  private answerHub(request: http.IncomingMessage, response: http.ServerResponse) {
    const url = decodeURIComponent(request.url ?? '');
    if (this.goesWrong('hub', request, response)) return;
    const api = /^\/api\/models\/(.+)\/revision\/(.+)$/.exec(url);
    const file =
      /^\/api\/resolve-cache\/models\/(.+)\/([0-9a-f]{40})\/([^/]+)$/.exec(url) ??
      /^\/(.+)\/resolve\/(.+)\/([^/]+)$/.exec(url);
    const [, name, revision, wanted] = api ?? file ?? [];
    const repository = this.repositories[name];
    const refusal = repository?.access?.token === bearer(request) ? undefined : repository?.access?.refusal;
    if (repository === undefined || refusal)
      return refuse(response, refusal === 'GatedRepo' ? 403 : 401, refusal ?? 'RepoNotFound');
    const commit = repository.refs[revision] ?? revision;
    const files = repository.commits[commit];
    if (files === undefined) return refuse(response, 404, 'RevisionNotFound');
    if (api) {
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ id: name, sha: commit, siblings: Object.keys(files).map((rfilename) => ({ rfilename })) }),
      );
      return;
    }
    const bytes = files[wanted];
    if (bytes === undefined) return refuse(response, 404, 'EntryNotFound');
    response.setHeader('x-repo-commit', commit);
    if (wanted.endsWith('.safetensors')) {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      response.setHeader('x-linked-etag', `"${sha256}"`);
      response.setHeader('x-linked-size', bytes.length);
      const { port } = this.cdn.address() as AddressInfo;
      response
        .writeHead(302, { location: `http://127.0.0.1:${port}/${name}/${commit}/${wanted}?signature=secret` })
        .end();
    } else if (url.includes('/resolve/')) {
      response.writeHead(307, { location: `/api/resolve-cache/models/${name}/${commit}/${wanted}` }).end();
    } else {
      const sha1 = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      response.setHeader('etag', `"${sha1}"`);
      this.send(request, response, bytes);
    }
  }

  private answerCdn(request: http.IncomingMessage, response: http.ServerResponse): void {
    if (this.goesWrong('cdn', request, response)) return;
    const [, name, commit, wanted] = /^\/(.+)\/([0-9a-f]{40})\/([^/?]+)\?/.exec(request.url ?? '') ?? [];
    response.setHeader('etag', '"of-the-cdn"');
    this.send(request, response, this.repositories[name].commits[commit][wanted]);
  }

  private send(request: http.IncomingMessage, response: http.ServerResponse, bytes: Buffer, fault?: Fault): void {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const ranged = from > 0 && !(fault && 'noRange' in fault);
    if (from >= bytes.length && ranged) {
      refuse(response, 416, '');
      return;
    }
    const sent = ranged ? bytes.subarray(from) : bytes;
    const headers = ranged ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(ranged ? 206 : 200, { ...headers, 'content-length': sent.length });
    if (request.method === 'HEAD') response.end();
    else if (fault && 'cutAt' in fault) response.write(sent.subarray(0, fault.cutAt), () => response.destroy());
    else if (fault && 'stallAt' in fault) response.write(sent.subarray(0, fault.stallAt));
    else response.end(sent);
  }

  /** Records the request, and answers it if it has a fault. */
  private goesWrong(host: Seen['host'], request: http.IncomingMessage, response: http.ServerResponse): boolean {
    const { method = '', url = '', headers } = request;
    this.seen.push({ host, method, url, authorization: headers.authorization, range: headers.range });
    const index = this.faults.findIndex((each) => each.host === host && each.url.test(url) && method === 'GET');
    if (index < 0) return false;
    const [{ fault }] = this.faults.splice(index, 1);
    if ('status' in fault) refuse(response, fault.status, '');
    else if ('body' in fault) response.end(fault.body);
    else this.send(request, response, this.fileOf(url), fault);
    return true;
  }

  private fileOf(url: string): Buffer {
    const [, name, commit, wanted] =
      /^\/(?:api\/resolve-cache\/models\/)?(.+)\/([0-9a-f]{40})\/([^/?]+)/.exec(url) ?? [];
    return this.repositories[name].commits[commit][wanted];
  }
}

/** Files of a folder as the files of a commit. */
export function filesOf(folder: string): Record<string, Buffer> {
  return Object.fromEntries(fs.readdirSync(folder).map((name) => [name, fs.readFileSync(path.join(folder, name))]));
}

const bearer = (request: http.IncomingMessage) => request.headers.authorization?.replace(/^Bearer /, '');

function refuse(response: http.ServerResponse, status: number, code: string) {
  response.writeHead(status, { 'x-error-code': code }).end('refused');
}
