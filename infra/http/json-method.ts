import type * as http from 'node:http';
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toJson,
} from '@bufbuild/protobuf';
import { Metadata } from '@grpc/grpc-js';
import { propagation } from '@opentelemetry/api';
import { httpStatusOf, statusJson } from '../../proto/http-status';
import { RpcError, rpcErrorOf, status } from '../../proto/status';
import { type Call, type CallInterceptor, goingDown } from '../grpc/handlers';
import { MESSAGE_BYTES } from '../grpc/limits';
import { roleFor } from '../grpc/roles';
import { type RoleToken, refusal } from '../grpc/tokens';

/** Unary method of the contract that HTTP requests call. */
export interface JsonMethodParts<I extends DescMessage, O extends DescMessage> {
  path: string;
  method: DescMethodUnary<I, O>;
  handle(request: MessageShape<I>, call: Call): Promise<MessageInitShape<O>>;
  interceptor: CallInterceptor;
  /** Tokens of the server's guard. */
  tokens?: readonly RoleToken[];
}

/** Time for which a browser may remember that a page of another origin may call, in seconds. */
const PREFLIGHT_SECONDS = 3600;

/**
 * Method that a POST calls: messages in proto3's JSON form, errors as `google.rpc.Status` with the
 * HTTP status of their code. Tokens, roles and limits are those of gRPC.
 *
 * Pages of other origins may call a server with tokens, because they need one (CORS). A server
 * without tokens refuses them: any page could call it in the browser of a user of this machine.
 */
export class JsonMethod<I extends DescMessage, O extends DescMessage> {
  readonly path: string;
  private readonly name: string;
  private draining = false;
  private readonly closing = new AbortController();
  /** Calls whose answers are not sent yet. */
  private readonly working = new Set<Promise<void>>();

  constructor(private readonly parts: JsonMethodParts<I, O>) {
    const { parent, name } = parts.method;
    this.path = parts.path;
    this.name = `${parent.typeName}/${name}`;
  }

  /** Answers a request; settles when the answer is on its way. */
  async answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const done = this.send(request, response).finally(() => this.working.delete(done));
    this.working.add(done);
    await done;
  }

  /** Lets calls end, and ends them after a while. Later ones are refused. */
  async drain(graceMs: number): Promise<void> {
    this.draining = true;
    const abort = setTimeout(() => this.closing.abort(), graceMs);
    await Promise.all(this.working);
    clearTimeout(abort);
  }

  private async send(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    response.setHeader('cache-control', 'no-store');
    if (this.parts.tokens) {
      response.setHeader('access-control-allow-origin', '*');
      response.setHeader('access-control-expose-headers', 'retry-after');
      if (request.method === 'OPTIONS') return sendPreflight(response);
    }
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST');
      const message = `the method is ${request.method}; it must be POST`;
      return sendError(response, new RpcError(status.UNIMPLEMENTED, 'METHOD_NOT_ALLOWED', message), 405);
    }
    if (this.draining) return sendError(response, goingDown());
    const left = new AbortController();
    response.once('close', () => left.abort());
    try {
      sendJson(response, 200, await this.call(request, AbortSignal.any([left.signal, this.closing.signal]), left));
    } catch (thrown) {
      sendError(response, this.closing.signal.aborted ? goingDown() : rpcErrorOf(thrown));
    }
  }

  private async call(request: http.IncomingMessage, signal: AbortSignal, left: AbortController): Promise<JsonValue> {
    const { method, handle, interceptor, tokens } = this.parts;
    const { authorization, origin, host } = request.headers;
    const refused = refusal(authorization, tokens, this.name, roleFor(this.name));
    if (refused) throw refused;
    if (!tokens && origin !== undefined && !isOrigin(origin, host)) throw foreignPage(origin);
    const message = messageOf(method.input, await jsonBody(request));
    const metadata = new Metadata();
    for (const field of propagation.fields()) {
      const value = request.headers[field];
      if (typeof value === 'string' && /^[\x20-\x7e]+$/.test(value)) metadata.set(field, value);
    }
    const call: Call = { signal, method: this.name, metadata, immediate: false, end: () => left.abort() };
    let answer: JsonValue = null;
    await interceptor(call, async () => {
      answer = toJson(method.output, create(method.output, await handle(message, call)));
    });
    return answer;
  }
}

/** Sends an error as a `google.rpc.Status`, unless an answer has begun. */
export function sendError(response: http.ServerResponse, error: RpcError, code = httpStatusOf(error)): void {
  const { retrySeconds } = error.details;
  if (response.headersSent) return;
  if (retrySeconds !== undefined) response.setHeader('retry-after', Math.ceil(retrySeconds));
  if (error.code === status.UNAUTHENTICATED) response.setHeader('www-authenticate', 'Bearer');
  sendJson(response, code, statusJson(error));
}

function sendJson(response: http.ServerResponse, code: number, value: JsonValue): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function sendPreflight(response: http.ServerResponse): void {
  response.setHeader('access-control-allow-methods', 'POST');
  response.setHeader('access-control-allow-headers', 'authorization, content-type');
  response.setHeader('access-control-max-age', PREFLIGHT_SECONDS);
  response.writeHead(204).end();
}

/** Returns true if an origin is that of the requested host. */
function isOrigin(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}

const foreignPage = (origin: string) =>
  new RpcError(
    status.PERMISSION_DENIED,
    'FOREIGN_ORIGIN',
    `the request comes from a page of ${JSON.stringify(origin.slice(0, 80))}; pages of other origins can call a server with tokens alone`,
  );

/** Reads a request's body as JSON. @throws RpcError for a body that is too large or no JSON */
async function jsonBody(request: http.IncomingMessage): Promise<JsonValue> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    const message = `content-encoding is ${JSON.stringify(encoding)}; it must be left out`;
    throw new RpcError(status.UNIMPLEMENTED, 'UNKNOWN_ENCODING', message);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MESSAGE_BYTES) chunks.push(chunk);
  }
  if (size > MESSAGE_BYTES) {
    const message = `the body has ${size} bytes; it must have ${MESSAGE_BYTES} at most`;
    throw new RpcError(status.RESOURCE_EXHAUSTED, 'MESSAGE_TOO_LARGE', message);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw badRequest('', 'the body is no JSON in UTF-8');
  }
}

/** Converts a request from proto3's JSON form. @throws RpcError INVALID_ARGUMENT with the field */
function messageOf<I extends DescMessage>(schema: I, json: JsonValue): MessageShape<I> {
  try {
    return fromJson(schema, json);
  } catch (thrown) {
    const { message } = thrown as Error;
    // "cannot decode field hifi.v1.ClassifyRequest.texts from JSON: …"
    // 'cannot decode message hifi.v1.ClassifyRequest from JSON: key "delta" is unknown'
    const [, wrong] = /^cannot decode field [\w.]+\.(\w+) from JSON/.exec(message) ?? [];
    const [, unknown = ''] = /^cannot decode message [\w.]+ from JSON: key "(.*)" is unknown$/.exec(message) ?? [];
    throw badRequest(wrong ?? unknown, `the body is no ${schema.name}: ${message}`);
  }
}

const badRequest = (field: string, message: string) =>
  new RpcError(status.INVALID_ARGUMENT, 'INVALID_INPUT', message, { violations: [{ field, description: message }] });
