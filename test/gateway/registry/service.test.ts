import * as fs from 'node:fs';
import { registerDelta } from '../../../gateway/registry/register';
import { sweep } from '../../../gateway/retention';
import type { GrpcClient } from '../../../infra/grpc/client';
import { type DeltaVersion, RegistryService } from '../../../proto/gen/hifi/v1/registry_pb';
import { status } from '../../../proto/status';
import { RegistryServer } from './registry-server';

const { registerDelta: register, getDelta, listDeltas, setAlias, deleteDelta } = RegistryService.method;
const TWO_DAYS = 2 * 24 * 3600_000;

let server: RegistryServer;
let client: GrpcClient;

beforeAll(async () => {
  server = await RegistryServer.start();
  client = server.client;
});
afterAll(() => server.stop());

const versionOf = async (reference: string) => (await client.unary(getDelta, { reference })).delta?.version;
const promote = (name: string, version: number, alias = 'prod') =>
  client.unary(setAlias, { name, alias, change: { case: 'version', value: version } });
const rollback = (name: string, alias = 'prod') =>
  client.unary(setAlias, { name, alias, change: { case: 'rollback', value: true } });
const labelOf = (delta?: DeltaVersion) => `${delta?.name}:${delta?.version}`;

test('a version has its files, base, metric and data; repeating the call gives the same one', async () => {
  const files = await server.stored(1);
  const [dataSha256, jobId] = ['d'.repeat(64), ''];
  const request = { name: 'story', files, metric: 'accuracy', metricValue: 0.75, dataSha256 };
  const first = (await client.unary(register, request)).delta;
  const { name, sha256 } = server.base;
  expect(first).toMatchObject({ name: 'story', version: 1, aliases: [], files, base: { name, sha256 }, jobId });
  expect(first).toMatchObject({ metric: 'accuracy', metricValue: 0.75, dataSha256 });
  expect((await client.unary(register, request)).delta).toEqual(first);
  const { delta } = await client.unary(getDelta, { reference: 'story' });
  expect(delta).toEqual(first);
});

test('promote and roll back are one call each', async () => {
  await server.register('alias', 1, 2, 3);
  expect((await promote('alias', 1)).delta).toMatchObject({ version: 1, aliases: ['prod'] });
  expect(labelOf((await promote('alias', 3)).delta)).toBe('alias:3');
  expect(await versionOf('alias@prod')).toBe(3);
  expect(labelOf((await rollback('alias')).delta)).toBe('alias:1');
  await expect(rollback('alias')).rejects.toMatchObject({
    code: status.FAILED_PRECONDITION,
    reason: 'NO_EARLIER_VERSION',
    message: 'alias@prod has had no version before 1',
  });
});

test('concurrent promotions of one alias leave a history of all of them', async () => {
  await server.register('many', 1, 2, 3, 4);
  await Promise.all([1, 2, 3, 4].map((version) => promote('many', version)));
  const seen = new Set([await versionOf('many@prod')]);
  for (let i = 0; i < 3; i++) seen.add((await rollback('many')).delta?.version);
  expect([...seen].sort()).toEqual([1, 2, 3, 4]);
});

test('pages list names in order, the newest version first, also if the last one is deleted meanwhile', async () => {
  await server.register('pages-b', 1, 2);
  await server.register('pages-a', 1, 2, 3);
  const first = await client.unary(listDeltas, { name: 'pages-a', pageSize: 2 });
  expect(first.deltas.map(labelOf)).toEqual(['pages-a:3', 'pages-a:2']);
  await client.unary(deleteDelta, { reference: 'pages-a:2' });
  const pageToken = first.nextPageToken;
  const rest = await client.unary(listDeltas, { name: 'pages-a', pageToken });
  expect([rest.deltas.map(labelOf), rest.nextPageToken]).toEqual([['pages-a:1'], '']);
  const all = await client.unary(listDeltas, { pageSize: 1000 });
  const own = all.deltas.map(labelOf).filter((label) => label.startsWith('pages'));
  expect(own).toEqual(['pages-a:3', 'pages-a:1', 'pages-b:2', 'pages-b:1']);
});

test('the files of a version stay through sweeps until it is deleted', async () => {
  await server.register('swept', 7);
  const { delta } = await client.unary(getDelta, { reference: 'swept' });
  const { info, tensors } = delta!.files!;
  const has = () => Promise.all([info, tensors].map((sha256) => server.artifacts.has(sha256)));
  await sweep(server, Date.now() + TWO_DAYS);
  expect(await has()).toEqual([true, true]);
  await client.unary(deleteDelta, { reference: 'swept:1' });
  // A service may be about to read them.
  expect(await has()).toEqual([true, true]);
  await sweep(server, Date.now() + TWO_DAYS);
  // The other versions of this suite have the same delta.json.
  expect(await has()).toEqual([true, false]);
  await expect(versionOf('swept')).rejects.toMatchObject({ code: status.NOT_FOUND });
});

test('a version with an alias is deleted after its alias', async () => {
  await server.register('kept', 1);
  await promote('kept', 1);
  await promote('kept', 1, 'staging');
  const removed = (reference: string) => client.unary(deleteDelta, { reference });
  for (const reference of ['kept', 'kept:1']) {
    await expect(removed(reference)).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'ALIAS_POINTS_TO_VERSION',
      message: expect.stringContaining('kept@prod points to version 1'),
    });
  }
  for (const reference of ['kept@prod', 'kept@staging', 'kept']) await removed(reference);
  await expect(versionOf('kept')).rejects.toMatchObject({ message: 'no delta is registered as kept' });
});

test("an attempt that repeats a job's registration gets the version of the first one", async () => {
  const signal = new AbortController().signal;
  const content = { files: await server.stored(1), jobId: 'job', metric: { name: 'f1', value: 0.5 } };
  const first = await registerDelta(server, 'attempts', content, signal);
  await server.register('attempts', 2);
  expect((await registerDelta(server, 'attempts', content, signal)).version).toEqual(first.version);
  expect(await versionOf('attempts')).toBe(2);
});

const NONE = '0'.repeat(64);

test.each<[what: string, call: () => Promise<unknown>, code: status, line: RegExp | string]>([
  [
    'a name with a slash',
    async () => client.unary(register, { name: 'a/b', files: await server.stored(1) }),
    status.INVALID_ARGUMENT,
    /^name is "a\/b"; it must be 1 to 64 letters/,
  ],
  ['no files', () => client.unary(register, { name: 'a' }), status.INVALID_ARGUMENT, /^files is missing/],
  [
    'a file that was not uploaded',
    async () => client.unary(register, { name: 'a', files: { ...(await server.stored(1)), tensors: NONE } }),
    status.NOT_FOUND,
    `no artifact ${NONE}`,
  ],
  [
    'a hash that is none',
    () => client.unary(register, { name: 'a', files: { info: 'x', tensors: NONE } }),
    status.INVALID_ARGUMENT,
    /SHA-256/,
  ],
  [
    'a metric without a name',
    async () => client.unary(register, { name: 'a', files: await server.stored(1), metricValue: 1 }),
    status.INVALID_ARGUMENT,
    'metric is missing; it must be the name of metric_value',
  ],
  [
    "data's hash that is none",
    async () => client.unary(register, { name: 'a', files: await server.stored(1), dataSha256: 'x' }),
    status.INVALID_ARGUMENT,
    'data_sha256 is "x"; it must be 64 hexadecimal digits in lower case',
  ],
  [
    'two files of the wrong kind',
    async () => {
      const { info, tensors } = await server.stored(1);
      await client.unary(register, { name: 'a', files: { info: tensors, tensors: info } });
    },
    status.INVALID_ARGUMENT,
    'delta.json is not JSON',
  ],
  [
    'a delta that is cut',
    async () => {
      const { info } = await server.stored(1);
      const bytes = fs.readFileSync(`${server.deltaFolder(1)}/delta.safetensors`);
      fs.writeFileSync(`${server.folder}/cut`, bytes.subarray(0, -4));
      const { sha256 } = await server.artifacts.add(`${server.folder}/cut`);
      await client.unary(register, { name: 'a', files: { info, tensors: sha256 } });
    },
    status.INVALID_ARGUMENT,
    /^delta\.safetensors/,
  ],
  [
    'a version that does not exist',
    () => promote('story', 9),
    status.NOT_FOUND,
    'story has no version 9; its newest is 1',
  ],
  ['an alias that does not exist', () => rollback('story', 'x'), status.NOT_FOUND, 'story has no alias x; it has none'],
  [
    'no change of an alias',
    () => client.unary(setAlias, { name: 'story', alias: 'prod' }),
    status.INVALID_ARGUMENT,
    'version is missing; give it, or set rollback to true',
  ],
  ['an alias that is none', () => promote('story', 1, 'a b'), status.INVALID_ARGUMENT, /^alias is "a b"/],
  ['an unknown name', () => versionOf('none@prod'), status.NOT_FOUND, 'no delta is registered as none'],
  [
    'a name with a typing error',
    () => versionOf('storry@prod'),
    status.NOT_FOUND,
    /as storry; did you mean "story"\?$/,
  ],
  ['a reference that is none', () => versionOf('a:b'), status.INVALID_ARGUMENT, /^reference is "a:b"/],
  [
    'the versions of an unknown name',
    () => client.unary(listDeltas, { name: 'none' }),
    status.NOT_FOUND,
    'no delta is registered as none',
  ],
  [
    'a page token of another service',
    () => client.unary(listDeltas, { pageToken: 'YQ' }),
    status.INVALID_ARGUMENT,
    /^page_token/,
  ],
])('%s is refused in one line', async (_, call, code, line) => {
  await expect(call()).rejects.toMatchObject({ code, message: expect.stringMatching(line) });
  expect([...server.store.deltas.list('a')].some(({ name }) => name === 'a')).toBe(false);
});
