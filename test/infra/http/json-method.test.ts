import * as http from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { cancelled, HifiError } from '../../../foundation/errors';
import type { CallInterceptor } from '../../../infra/grpc/handlers';
import { MESSAGE_BYTES } from '../../../infra/grpc/limits';
import type { RoleToken } from '../../../infra/grpc/tokens';
import { HttpServer, pathOf, sendLine } from '../../../infra/http/http-server';
import { JsonMethod } from '../../../infra/http/json-method';
import { AnalyzerService } from '../../../proto/gen/hifi/v1/analyzer_pb';
import { RpcError, status } from '../../../proto/status';
import { until } from '../../support/until';

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

const TOKENS: RoleToken[] = [
  { role: 'infer', token: 'weak' },
  { role: 'run', token: 'right' },
];
/** Errors of the method, by the model's name. */
const ERRORS: Record<string, () => unknown> = {
  wrong: () => Object.assign(new HifiError('INVALID_INPUT', 'model is wrong; it must be right'), { field: 'model' }),
  missing: () => new RpcError(status.NOT_FOUND, 'NOT_FOUND', 'there is no such name'),
  busy: () => new RpcError(status.RESOURCE_EXHAUSTED, 'BUSY', 'try again in 1.5 s', { retrySeconds: 1.5 }),
  lost: () => new HifiError('ENGINE_LOST', 'the engine was lost'),
  secret: () => new Error('a secret'),
};
const seen = { running: 0, aborted: 0, calls: [] as string[] };
const interceptor: CallInterceptor = (call, work) => {
  seen.calls.push(call.method);
  return work();
};
const methodOf = (tokens?: RoleToken[]) =>
  new JsonMethod({
    path: '/v1/describe',
    method: AnalyzerService.method.describeModel,
    async handle({ model }, { signal }) {
      if (model === 'wait') {
        seen.running++;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        seen.aborted++;
        throw cancelled();
      }
      if (model in ERRORS) throw ERRORS[model]();
      return { name: model, tunable: ['qkv'] };
    },
    interceptor,
    ...(tokens && { tokens }),
  });

const methods = { open: methodOf(), guarded: methodOf(TOKENS) };
type Kind = keyof typeof methods;
const servers = {} as Record<Kind, HttpServer>;
const ports = {} as Record<Kind, number>;

beforeAll(async () => {
  for (const kind of ['open', 'guarded'] as const) {
    servers[kind] = new HttpServer(
      {},
      async (request, response) =>
        pathOf(request) === '/v1/describe' ? methods[kind].answer(request, response) : sendLine(response, 404, 'none'),
      (response) => sendLine(response, 500, 'failed'),
    );
    ports[kind] = await servers[kind].start('127.0.0.1', 0);
  }
});
afterAll(() => Promise.all(Object.values(servers).map((server) => server.stop())));

function send(kind: Kind, body: string | Buffer, headers: http.OutgoingHttpHeaders = {}, method = 'POST') {
  return new Promise<Answer>((resolve, reject) => {
    const options = { host: '127.0.0.1', port: ports[kind], path: '/v1/describe?x=1', method, headers };
    const request = http.request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }));
    });
    request.on('error', reject).end(body);
  });
}

const reasonOf = ({ body }: Answer) => JSON.parse(body).details[0].reason;
const asked = (model: string) => JSON.stringify({ model });

test("messages are in proto3's JSON form", async () => {
  const answer = await send('open', asked('m'));
  expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { name: 'm', tunable: ['qkv'] }]);
  expect(answer.headers).toMatchObject({
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  expect(seen.calls).toContain('hifi.v1.AnalyzerService/DescribeModel');
});

test.each<[model: string, code: number, body: object]>([
  [
    'wrong',
    400,
    {
      code: status.INVALID_ARGUMENT,
      message: 'model is wrong; it must be right',
      details: [
        { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'INVALID_INPUT', domain: 'hifi' },
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          fieldViolations: [{ field: 'model', description: 'model is wrong; it must be right' }],
        },
      ],
    },
  ],
  ['missing', 404, { code: status.NOT_FOUND }],
  ['lost', 503, { code: status.UNAVAILABLE }],
  ['secret', 500, { code: status.INTERNAL, message: expect.not.stringContaining('a secret') }],
])('an error is a google.rpc.Status with the HTTP status of its code: %s', async (model, code, body) => {
  const answer = await send('open', asked(model));
  expect([answer.status, JSON.parse(answer.body)]).toEqual([code, expect.objectContaining(body)]);
});

test('a busy service tells the delay in Retry-After too, in whole seconds', async () => {
  const answer = await send('open', asked('busy'));
  expect([answer.status, answer.headers['retry-after']]).toEqual([429, '2']);
  expect(JSON.parse(answer.body).details[1]).toMatchObject({ retryDelay: '1.500s' });
});

test('a body that is no request is a bad request with its field', async () => {
  const fieldOf = ({ body }: Answer) => JSON.parse(body).details[1].fieldViolations[0].field ?? '';
  for (const [body, field, message] of [
    ['{', '', 'the body is no JSON in UTF-8'],
    [Buffer.from([0x22, 0xff, 0x22]), '', 'the body is no JSON in UTF-8'],
    ['[]', '', /^the body is no DescribeModelRequest: /],
    ['{"model": 5}', 'model', /^the body is no DescribeModelRequest: .*model/],
    ['{"modell": "m"}', 'modell', /"modell" is unknown/],
  ] as const) {
    const answer = await send('open', body);
    expect([answer.status, fieldOf(answer)]).toEqual([400, field]);
    expect(JSON.parse(answer.body).message).toEqual(
      typeof message === 'string' ? message : expect.stringMatching(message),
    );
  }
});

test('a body has the size of a message at most, and no encoding', async () => {
  const large = await send('open', Buffer.alloc(MESSAGE_BYTES + 1, ' '));
  expect([large.status, reasonOf(large)]).toEqual([429, 'MESSAGE_TOO_LARGE']);
  const packed = await send('open', 'x', { 'content-encoding': 'gzip' });
  expect([packed.status, reasonOf(packed)]).toEqual([501, 'UNKNOWN_ENCODING']);
});

test('the token must be there and its role suffice', async () => {
  const answers = await Promise.all(
    [{}, { authorization: 'Bearer wrong' }, { authorization: 'Bearer weak' }, { authorization: 'Bearer right' }].map(
      (headers) => send('guarded', asked('m'), headers),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 403, 200]);
  expect(answers[0].headers['www-authenticate']).toBe('Bearer');
  expect(JSON.parse(answers[2].body).message).toBe(
    'hifi.v1.AnalyzerService/DescribeModel needs a token of the role run; this one has the role infer',
  );
});

test('pages of other origins can call a server with tokens alone', async () => {
  const origin = 'https://page.example';
  const asks = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization', origin };
  const preflight = await send('guarded', '', asks, 'OPTIONS');
  expect([preflight.status, preflight.headers]).toEqual([
    204,
    expect.objectContaining({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'authorization, content-type',
    }),
  ]);
  const answer = await send('guarded', asked('m'), { origin, authorization: 'Bearer right' });
  expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([200, '*']);
  expect((await send('guarded', asked('m'), { origin })).status).toBe(401);

  const foreign = await send('open', asked('m'), { origin });
  expect([foreign.status, reasonOf(foreign)]).toEqual([403, 'FOREIGN_ORIGIN']);
  expect((await send('open', '', asks, 'OPTIONS')).headers['access-control-allow-origin']).toBeUndefined();
  expect((await send('open', asked('m'), { origin: 'null' })).status).toBe(403);
  expect((await send('open', asked('m'), { origin: `http://127.0.0.1:${ports.open}` })).status).toBe(200);
});

test('a request must name a host of the server, and be a POST', async () => {
  expect((await send('guarded', asked('m'), { host: 'rebound.example' })).status).toBe(421);
  const get = await send('open', '', {}, 'GET');
  expect([get.status, get.headers.allow]).toEqual([405, 'POST']);
});

test('a client that leaves cancels the call', async () => {
  const before = { ...seen };
  const request = http.request({ host: '127.0.0.1', port: ports.open, path: '/v1/describe', method: 'POST' });
  request.on('error', () => {}).end(asked('wait'));
  await until(
    () => seen.running,
    (running) => running > before.running,
    'the call',
  );
  request.destroy();
  await until(
    () => seen.aborted,
    (aborted) => aborted > before.aborted,
    'its end',
  );
});

test('a server that drains lets calls end, then ends them; later ones are refused', async () => {
  const before = seen.running;
  const waiting = send('open', asked('wait'));
  await until(
    () => seen.running,
    (running) => running > before,
    'the call',
  );
  const drained = methods.open.drain(50);
  await setTimeout(0);
  const late = await send('open', asked('m'));
  const ended = await waiting;
  await drained;
  expect([late.status, reasonOf(late)]).toEqual([503, 'SHUTTING_DOWN']);
  expect([ended.status, reasonOf(ended)]).toEqual([503, 'SHUTTING_DOWN']);
});
