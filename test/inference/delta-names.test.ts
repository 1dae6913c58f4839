import * as path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ClassifyEngine } from '../../inference/classify-engine';
import { DeltaNames } from '../../inference/delta-names';
import { OpenedDeltas } from '../../inference/opened-deltas';
import { inferenceService } from '../../inference/service';
import { Inputs } from '../../infra/artifacts/inputs';
import { GrpcClient } from '../../infra/grpc/client';
import { GrpcServer } from '../../infra/grpc/server';
import { type ClassifyResponse, InferenceService } from '../../proto/gen/hifi/v1/inference_pb';
import { RegistryService } from '../../proto/gen/hifi/v1/registry_pb';
import { status } from '../../proto/status';
import { RegistryServer } from '../gateway/registry/registry-server';
import { FIXTURES } from '../support/deltas';
import { until } from '../support/until';

const { setAlias, deleteDelta } = RegistryService.method;
/** Age from which on an answer is looked up again, and some more, in milliseconds. */
const OLD_MS = 900;

let server: RegistryServer;
let names: DeltaNames;

beforeAll(async () => {
  server = await RegistryServer.start();
  await server.register('n', 1, 2);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await promote(1);
  names = new DeltaNames(server.client);
});

const promote = (version: number) =>
  server.client.unary(setAlias, { name: 'n', alias: 'prod', change: { case: 'version', value: version } });
const versionOf = async (reference: string) => (await names.resolve(reference)).version;

test('a reference gives files and base; concurrent requests share one lookup', async () => {
  const before = server.lookups;
  const answers = await Promise.all(Array.from({ length: 50 }, () => names.resolve('n@prod')));
  expect(server.lookups).toBe(before + 1);
  const { name, sha256 } = server.base;
  for (const answer of answers) {
    expect(answer).toEqual({ name: 'n', version: 1, files: await server.stored(1), base: { name, sha256 } });
  }
  expect(await Promise.all(['n', 'n:2', 'n:1'].map(versionOf))).toEqual([2, 2, 1]);
});

test('requests meet the new version of an alias, from one of them on', async () => {
  const seen: number[] = [];
  const all = until(
    async () => seen[seen.push(await versionOf('n@prod')) - 1],
    (version) => version === 2,
    'the new version',
  );
  // An answer for another reference does not hide the change.
  const other = until(
    () => versionOf('n'),
    () => seen.includes(2),
    'the other reference',
  );
  await until(
    () => seen.length,
    (count) => count > 3,
    'the first answers',
  );
  await promote(2);
  await Promise.all([all, other]);
  expect(seen).toEqual([...seen].sort());
  expect(await versionOf('n@prod')).toBe(2);
});

test('while the gateway is away the last answers hold, and its later ones replace them', async () => {
  expect(await versionOf('n@prod')).toBe(1);
  await server.end();
  await delay(OLD_MS);
  for (let i = 0; i < 3; i++) expect(await versionOf('n@prod')).toBe(1);
  await expect(versionOf('n')).rejects.toMatchObject({ code: status.UNAVAILABLE });
  await server.serve();
  await until(
    () => promote(2),
    () => true,
    'the gateway',
  );
  await until(
    () => versionOf('n@prod'),
    (version) => version === 2,
    'the new version',
  );
});

test('a deleted alias, an unknown name and an invalid reference are refused', async () => {
  expect(await versionOf('n@prod')).toBe(1);
  await server.client.unary(deleteDelta, { reference: 'n@prod' });
  const refusal = () => versionOf('n@prod').then(String, (error) => error.message);
  await until(refusal, (line) => line === 'n has no alias prod; it has none', 'the refusal');
  await expect(versionOf('none')).rejects.toMatchObject({ code: status.NOT_FOUND });
  await expect(versionOf('a/b')).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'name' });
});

test('a request that is cancelled does not cancel the lookup of others', async () => {
  const controller = new AbortController();
  const cancelled = names.resolve('n@prod', controller.signal);
  const other = names.resolve('n@prod');
  controller.abort();
  await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' });
  expect((await other).version).toBe(1);
});

test('no request of 200 a second fails at a promotion, and each has the answer of one version', async () => {
  const inputs = new Inputs({
    store: server.artifacts,
    dataRoots: [FIXTURES],
    scratch: path.join(server.folder, 'answers'),
  });
  const [engine, deltas] = [new ClassifyEngine(), new OpenedDeltas(inputs)];
  const service = new GrpcServer({ host: '127.0.0.1', port: 0 });
  service.add(InferenceService, inferenceService({ engine, inputs, deltas, names }));
  const client = new GrpcClient(`127.0.0.1:${await service.start()}`);
  const ask = (value: string) =>
    client.unary(InferenceService.method.classify, {
      model: 'tiny-bert',
      deltas: [{ delta: { case: 'name', value } }],
      texts: ['warm'],
    });
  const answerOf = ({ results: [{ version, rows }] }: ClassifyResponse) => [version, rows[0].logits];
  const [old, next] = [answerOf(await ask('n:1')), answerOf(await ask('n:2'))];
  expect(old[1]).not.toEqual(next[1]);
  const asked: Promise<ClassifyResponse>[] = [];
  const answered: ClassifyResponse[] = [];
  const load = setInterval(() => {
    const call = ask('n@prod');
    asked.push(call);
    call.then((answer) => answered.push(answer)).catch(() => {}); // the failure is that of `asked`
  }, 5);
  const answeredBy = (expected: unknown[], count: number) =>
    until(
      () => answered.filter((answer) => answerOf(answer)[0] === expected[0]).length,
      (found) => found >= count,
      `answers of version ${expected[0]}`,
    );
  try {
    await answeredBy(old, 50);
    await promote(2);
    await answeredBy(next, 50);
  } finally {
    clearInterval(load);
  }
  for (const answer of await Promise.all(asked)) expect([old, next]).toContainEqual(answerOf(answer));
  client.close();
  await service.drain(0);
  await deltas.close();
  await engine.close();
});
