import { createHash } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Metadata, status } from '@grpc/grpc-js';
import { HifiError, invalidInput, invalidValue } from '../../../foundation/errors';
import { GrpcClient } from '../../../infra/grpc/client';
import { GrpcServer } from '../../../infra/grpc/server';
import { AnalyzerService } from '../../../proto/gen/hifi/v1/analyzer_pb';
import { RpcError } from '../../../proto/status';
import { grpcurl } from '../../support/grpcurl';
import { type Seen, trial } from './service';

const { analyze, describeModel, mergeStatistics } = AnalyzerService.method;

let server: GrpcServer;
let client: GrpcClient;
let seen: Seen;
const errors = {
  field: () => invalidValue({ field: 'options.damping', value: '1.5', expected: 'above 0 and below 1' }),
  input: () => invalidInput('/root/.cache/hifi/models/secret-model/config.json: has no "hidden_size"'),
  unknown: () => new Error('ENOENT: /etc/hifi/token'),
  lost: () => new HifiError('ENGINE_LOST', 'the analyze engine was ended by SIGKILL'),
  busy: () => new RpcError(status.RESOURCE_EXHAUSTED, 'BUSY', 'try again later', { retrySeconds: 2.5 }),
};

beforeEach(async () => {
  seen = { sent: 0, aborted: 0, ended: 0 };
  server = new GrpcServer({ host: '127.0.0.1', port: 0 });
  server.add(AnalyzerService, trial(seen, errors));
  client = new GrpcClient(`127.0.0.1:${await server.start()}`);
});

afterEach(async () => {
  client.close();
  await server.drain(0);
});

const until = async (holds: () => boolean) => {
  for (let i = 0; i < 2000 && !holds(); i++) await delay(5);
  expect(holds()).toBe(true);
};

const thrown = async (call: Promise<unknown>): Promise<RpcError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RpcError);
  return error as RpcError;
};

test('a stream arrives whole and in order', async () => {
  const done: (number | undefined)[] = [];
  for await (const { event } of client.stream(analyze, { model: 'count 40' })) {
    if (event.case === 'progress') done.push(event.value.done);
  }
  expect(done).toEqual(Array.from({ length: 40 }, (_, i) => i));
});

test('a stream waits for a slow reader', async () => {
  const messages = client.stream(analyze, { model: 'count 2000' });
  await messages.next();
  await delay(300);
  // The stream has 2,000 messages of 64 KB; unread ones are not created.
  expect(seen.sent).toBeLessThan(400);
  let rest = 0;
  for await (const _ of messages) rest++;
  expect(rest).toBe(1999);
});

test('an idle reader must continue with another call after the time that the handler allows', async () => {
  const messages = client.stream(analyze, { model: 'hurried 2000' });
  await messages.next();
  await until(() => seen.ended === 1);
  expect(seen.sent).toBeLessThan(400);
  const rest = async () => {
    for await (const _ of messages);
  };
  expect(await thrown(rest())).toMatchObject({ code: status.UNAVAILABLE, reason: 'READER_IDLE' });
});

test('a reader that leaves ends the work', async () => {
  for await (const _ of client.stream(analyze, { model: 'wait 3' })) break;
  await until(() => seen.ended === 1 && seen.aborted + seen.ended >= 1);
});

test('a cancelled call ends the work', async () => {
  const controller = new AbortController();
  const call = client.unary(describeModel, { model: 'wait' }, { signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  expect((await thrown(call)).code).toBe(status.CANCELLED);
  await until(() => seen.aborted === 1);
});

test('an ended call leaves no listener on a lasting signal', async () => {
  const { signal } = new AbortController();
  for (let i = 0; i < 3; i++) await client.unary(describeModel, { model: 'tiny' }, { signal });
  await thrown(client.unary(describeModel, { model: 'fail field' }, { signal }));
  for await (const _ of client.stream(analyze, { model: 'count 1' }, { signal }));
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('a deadline ends the work, not only the answer', async () => {
  const error = await thrown(client.unary(describeModel, { model: 'wait' }, { timeoutMs: 100 }));
  expect(error.code).toBe(status.DEADLINE_EXCEEDED);
  await until(() => seen.aborted === 1);
});

test('errors arrive with code, reason, fields and retry delay', async () => {
  const field = await thrown(client.unary(describeModel, { model: 'fail field' }));
  expect(field).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'INVALID_INPUT' });
  expect(field.details.violations).toEqual([
    { field: 'options.damping', description: 'options.damping is 1.5; it must be above 0 and below 1' },
  ]);
  const busy = await thrown(client.unary(describeModel, { model: 'fail busy' }));
  expect(busy).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'BUSY', details: { retrySeconds: 2.5 } });
  const lost = await thrown(client.unary(describeModel, { model: 'fail lost' }));
  expect(lost).toMatchObject({ code: status.UNAVAILABLE, reason: 'ENGINE_LOST' });
  const streamed = client.stream(analyze, { model: 'fail field' });
  expect(await thrown(streamed.next())).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'INVALID_INPUT' });
});

test('an error reveals no folder of the server and no message of a foreign error', async () => {
  const input = await thrown(client.unary(describeModel, { model: 'fail input' }));
  expect(input.message).toBe('config.json: has no "hidden_size"');
  const unknown = await thrown(client.unary(describeModel, { model: 'fail unknown' }));
  expect(unknown.code).toBe(status.INTERNAL);
  expect(JSON.stringify([unknown.message, unknown.details.violations])).not.toMatch(/token|etc|ENOENT|at /);
});

test('a message over the limit is refused, and the server continues', async () => {
  const statistics = [{ warnings: ['x'.repeat(65 << 20)] }];
  const error = await thrown(client.unary(mergeStatistics, { statistics }));
  expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
  expect(await client.unary(describeModel, { model: 'm' })).toMatchObject({ name: 'm' });
});

test('draining lets running calls end, then ends them, and accepts no new ones', async () => {
  const other = new GrpcServer({ host: '127.0.0.1', port: 0 });
  other.add(AnalyzerService, trial(seen));
  const caller = new GrpcClient(`127.0.0.1:${await other.start()}`);
  const waiting = caller.stream(analyze, { model: 'wait 1' });
  await waiting.next();
  const drained = other.drain(200);
  expect((await thrown(waiting.next())).code).toBe(status.UNAVAILABLE);
  await drained;
  expect((await thrown(caller.unary(describeModel, { model: 'm' }, { timeoutMs: 2000 }))).code).not.toBe(status.OK);
  caller.close();
});

test('metadata over the limit is refused, and the server continues', async () => {
  const raw = new Metadata();
  raw.set('filling', createHash('sha256').update('x').digest('hex').repeat(1000));
  // The test uses grpc-js itself, because this project's client has no option for metadata.
  const { Client, credentials } = await import('@grpc/grpc-js');
  const bare = new Client(client.address, credentials.createInsecure());
  const code = await new Promise((resolve) => {
    const echo = (bytes: Buffer) => bytes;
    bare.makeUnaryRequest('/hifi.v1.AnalyzerService/DescribeModel', echo, echo, Buffer.alloc(0), raw, (error) =>
      resolve(error?.code),
    );
  });
  expect(code).toBe(status.RESOURCE_EXHAUSTED);
  bare.close();
  expect(await client.unary(describeModel, { model: 'm' })).toMatchObject({ name: 'm' });
});

test('grpcurl lists the services by reflection and checks their health', async () => {
  const call = (...words: string[]) => grpcurl(['-plaintext', ...words]);
  expect((await call(client.address, 'list')).stdout.split('\n').filter(Boolean)).toEqual([
    'grpc.health.v1.Health',
    'hifi.v1.AnalyzerService',
  ]);
  for (const service of ['', 'hifi.v1.AnalyzerService']) {
    const { stdout, stderr } = await call(
      '-d',
      `{"service":"${service}"}`,
      client.address,
      'grpc.health.v1.Health/Check',
    );
    expect([stderr, JSON.parse(stdout)]).toEqual(['', { status: 'SERVING' }]);
  }
  const { stderr } = await call(
    '-d',
    '{"model":"fail field"}',
    client.address,
    'hifi.v1.AnalyzerService/DescribeModel',
  );
  expect(stderr).toContain('"field": "options.damping"');
});
