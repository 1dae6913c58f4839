import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import { addressError } from '../address-error';
import type { Guard } from '../grpc/credentials';

/** Answers a request, or throws. */
export type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => Promise<void>;

/**
 * HTTP server of a service, over TLS as the service has it. A request must name one of its hosts.
 */
export class HttpServer {
  private readonly server: http.Server;
  private host = '';

  /** @param fail answers a request for which `answer` has thrown */
  constructor(
    { tls }: Guard,
    private readonly answer: Answer,
    fail: (response: http.ServerResponse, thrown: unknown) => void,
  ) {
    const take = (request: http.IncomingMessage, response: http.ServerResponse) =>
      void this.take(request, response).catch((thrown) => fail(response, thrown));
    this.server = tls
      ? https.createServer({ cert: tls.cert, key: tls.key, ca: tls.clientCa, requestCert: !!tls.clientCa }, take)
      : http.createServer(take);
  }

  /** Starts to listen. @returns the port. @throws HifiError FAILED if the port is in use */
  async start(host: string, port: number): Promise<number> {
    this.host = host;
    try {
      this.server.listen(port, host);
      await once(this.server, 'listening');
    } catch (error) {
      throw addressError(`${host}:${port}`, error as Error);
    }
    return (this.server.address() as AddressInfo).port;
  }

  /** Closes all connections. */
  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('referrer-policy', 'no-referrer');
    if (this.isOwnHost(request.headers.host)) await this.answer(request, response);
    else sendLine(response, 421, 'the host is none of this server');
  }

  /**
   * Returns true if a request names this server. A foreign page whose name temporarily resolves to
   * this address (DNS rebinding) must not read anything here.
   */
  private isOwnHost(named: string | undefined): boolean {
    const host = (named ?? '')
      .toLowerCase()
      .replace(/:\d+$/, '')
      .replace(/^\[(.*)\]$/, '$1');
    if (['localhost', '127.0.0.1', '::1', this.host.toLowerCase()].includes(host)) return true;
    // A server on all addresses does not know its names; the guard is required there.
    return this.host === '0.0.0.0' || this.host === '::';
  }
}

/** Path of a request, without its query. */
export const pathOf = ({ url = '/' }: http.IncomingMessage): string => url.split('?')[0];

/** Sends a line of text, unless an answer has begun: then it breaks the connection. */
export function sendLine(response: http.ServerResponse, status: number, line: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) if (name.startsWith('content-')) response.removeHeader(name);
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${line}\n`);
}
