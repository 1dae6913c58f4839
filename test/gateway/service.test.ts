import * as fs from 'node:fs';
import * as path from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { invalidPart } from '../../foundation/errors';
import { artifactService } from '../../gateway/artifact-service';
import { LmdbStore } from '../../gateway/lmdb-store';
import { Scheduler } from '../../gateway/scheduler';
import { gatewayService } from '../../gateway/service';
import { FolderArtifacts } from '../../infra/artifacts/folder-store';
import { Inputs } from '../../infra/artifacts/inputs';
import { GrpcClient } from '../../infra/grpc/client';
import { GrpcServer } from '../../infra/grpc/server';
import { AnalyzerService } from '../../proto/gen/hifi/v1/analyzer_pb';
import { ArtifactService } from '../../proto/gen/hifi/v1/artifact_pb';
import { GatewayService, JobSpecSchema, JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { status } from '../../proto/status';
import { trial } from '../infra/grpc/service';
import { temporaryFolder } from '../support/deltas';
import { all } from './sample-jobs';

const { createJob, getJob, listJobs, cancelJob, deleteJob, watchJob } = GatewayService.method;
const WAITING = 5;

let folder: string;
let store: LmdbStore;
let artifacts: FolderArtifacts;
let servers: GrpcServer[];
let clients: GrpcClient[];
let gateway: GrpcClient;
/** Called during the check of a spec, when the gateway requests its model from the analyzer. */
let whileChecked: () => Promise<void>;

const clientOf = async (server: GrpcServer) => {
  servers.push(server);
  const client = new GrpcClient(`127.0.0.1:${await server.start()}`);
  clients.push(client);
  return client;
};
const newServer = () => new GrpcServer({ host: '127.0.0.1', port: 0 });

beforeAll(async () => {
  [servers, clients] = [[], []];
  folder = temporaryFolder('service');
  store = new LmdbStore(path.join(folder, 'jobs'), false);
  artifacts = new FolderArtifacts(path.join(folder, 'artifacts'));
  const analyzing = newServer();
  analyzing.add(AnalyzerService, {
    ...trial({ sent: 0, aborted: 0, ended: 0 }),
    async describeModel({ model }) {
      await whileChecked();
      if (model === 'unknown') throw invalidPart('model', 'model is unknown');
      return { name: model, layers: 1, heads: 12 };
    },
  });
  const analyzer = await clientOf(analyzing);
  const inputs = new Inputs({ store: artifacts, dataRoots: [], scratch: path.join(folder, 'scratch') });
  const limits = { waiting: WAITING, lostEngines: 3, awayMs: 1000 };
  const scheduler = new Scheduler(store, async () => {}, pino({ level: 'silent' }), limits);
  const serving = newServer();
  serving.add(GatewayService, gatewayService({ store, artifacts, scheduler, analyzer, trainer: analyzer, inputs }));
  serving.add(ArtifactService, artifactService(artifacts, store));
  gateway = await clientOf(serving);
});
beforeEach(() => {
  whileChecked = async () => {};
});
afterEach(async () => {
  for (const { id } of await all(store.list())) {
    await store.note(id, { kind: 'state', state: 'CANCELLED' });
    await gateway.unary(deleteJob, { jobId: id });
  }
});
afterAll(async () => {
  for (const client of clients) client.close();
  for (const server of servers) await server.drain(0);
  await store.close();
  fs.rmSync(folder, { recursive: true });
});

const files = async () => (await all(artifacts.list())).map(({ sha256 }) => sha256);
const spec = (train: NonNullable<MessageInitShape<typeof JobSpecSchema>['train']>, model = 'm') => ({
  model,
  train,
  analyzeOnly: true,
});
const inline = (...texts: string[]) => ({ source: { case: 'inline' as const, value: { texts } } });
const made = async (given: MessageInitShape<typeof JobSpecSchema>, requestId?: string) =>
  (await gateway.unary(createJob, { requestId, spec: given })).job!;

test('inline rows become a file of the job; the client sees the original spec', async () => {
  const given = {
    ...spec({ ...inline('Zwölf 🦊', ''), regression: false }),
    dev: { source: { case: 'inline' as const, value: { texts: ['a'], secondTexts: ['b'], labels: ['1'] } } },
  };
  const wanted = create(JobSpecSchema, given);
  const { jobId, spec: answered } = await made({ ...given, dev: given.dev }, 'rows');
  expect(answered).toEqual(wanted);
  expect((await gateway.unary(getJob, { jobId })).job!.spec).toEqual(wanted);
  expect((await gateway.unary(cancelJob, { jobId })).job!.spec).toEqual(wanted);
  // The same request again returns the same job.
  expect(await made(given, 'rows')).toMatchObject({ jobId, spec: wanted });

  const [listed] = (await gateway.unary(listJobs, {})).jobs;
  expect(listed.spec!.train!.source).toMatchObject({ case: 'inline', value: { texts: [] } });
  expect(listed.spec!.train!.regression).toBe(false);
  expect(JSON.stringify(await store.spec(jobId))).not.toContain('Zwölf');
  expect(await files()).toHaveLength(2);
  expect(await Promise.all((await files()).map((sha256) => store.uses(sha256)))).toEqual([true, true]);

  await gateway.unary(deleteJob, { jobId });
  expect(await files()).toEqual([]);
});

test('the entries of a map may come in any order', async () => {
  const weighted = (names: string[]) => ({
    ...spec(inline('one')),
    training: { labelWeights: Object.fromEntries(names.map((name) => [name, name.length])) },
  });
  const { jobId } = await made(weighted(['neg', 'positive']), 'weights');
  expect(await made(weighted(['positive', 'neg']), 'weights')).toMatchObject({ jobId });
});

test('a wrong artifact is named by its field', async () => {
  const error = made(spec({ source: { case: 'artifact', value: 'abc' }, textColumns: ['text'] }));
  await expect(error).rejects.toMatchObject({ details: { violations: [{ field: 'spec.train.artifact' }] } });
});

test('a refused job leaves no rows', async () => {
  await expect(made(spec(inline('one'), 'unknown'))).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  for (let i = 0; i < WAITING; i++) await made(spec(inline('shared')));
  await expect(made(spec(inline('of one more')))).rejects.toMatchObject({ reason: 'QUEUE_FULL' });
  await expect(made(spec(inline('shared')))).rejects.toMatchObject({ reason: 'QUEUE_FULL' });
  expect(await files()).toHaveLength(1);
});

test('rows that exist at the check of a job still exist at its acceptance', async () => {
  const { sha256 } = await artifacts.addText('text\tlabel\na\t0\nb\t1\n');
  const rows = { source: { case: 'artifact' as const, value: sha256 }, textColumns: ['text'], name: 'rows.tsv' };
  const first = await made(spec(rows));
  await gateway.unary(cancelJob, { jobId: first.jobId });
  whileChecked = async () => {
    await gateway.unary(deleteJob, { jobId: first.jobId });
  };
  const second = await made(spec(rows));
  await expect(store.get(first.jobId)).rejects.toThrow(/no job/);
  expect(await artifacts.has(sha256)).toBe(true);
  await gateway.unary(cancelJob, { jobId: second.jobId });
  await gateway.unary(deleteJob, { jobId: second.jobId });
  expect(await artifacts.has(sha256)).toBe(false);
});

test('an invalid id or token of any length is the client’s error in every call', async () => {
  const watch = async (jobId: string) => {
    for await (const _ of gateway.stream(watchJob, { jobId }));
  };
  for (const jobId of ['', 'none', 'a'.repeat(100_000), '../x', 'é\0']) {
    const calls = [
      ...[getJob, cancelJob, deleteJob].map((method) => gateway.unary(method as typeof getJob, { jobId })),
      gateway.unary(ArtifactService.method.listArtifacts, { jobId }),
      watch(jobId),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: status.NOT_FOUND, reason: 'NOT_FOUND' });
  }
  const { jobId } = await made(spec(inline('one')));
  const refused = { code: status.INVALID_ARGUMENT, details: { violations: [{ field: 'page_token' }] } };
  for (const key of ['a'.repeat(100_000), '\0', 'é', '../x']) {
    const pageToken = Buffer.from(key).toString('base64url');
    await expect(gateway.unary(listJobs, { pageToken })).rejects.toMatchObject(refused);
    await expect(gateway.unary(listJobs, { pageToken, states: [JobState.QUEUED] })).rejects.toMatchObject(refused);
  }
  const pageToken = Buffer.from('a'.repeat(100_000)).toString('base64url');
  await expect(gateway.unary(ArtifactService.method.listArtifacts, { jobId, pageToken })).rejects.toMatchObject(
    refused,
  );
  await expect(gateway.unary(listJobs, { states: [JobState.QUEUED, 99 as JobState] })).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: { violations: [{ field: 'states[1]' }] },
  });
});

test('pages of jobs in some states, each job once', async () => {
  const ids: string[] = [];
  for (let i = 0; i < WAITING; i++) ids.push((await made(spec(inline('one')))).jobId);
  for (const jobId of [ids[1], ids[3]]) await gateway.unary(cancelJob, { jobId });
  const listed = async (states: JobState[], pageSize: number) => {
    const pages: string[][] = [];
    let pageToken: string | undefined;
    do {
      const answer = await gateway.unary(listJobs, { states, pageSize, pageToken });
      pages.push(answer.jobs.map(({ jobId }) => jobId));
      pageToken = answer.nextPageToken || undefined;
    } while (pageToken);
    return pages;
  };
  expect(await listed([JobState.QUEUED], 2)).toEqual([[ids[4], ids[2]], [ids[0]]]);
  expect(await listed([JobState.CANCELLED, JobState.QUEUED], 3)).toEqual([
    [ids[4], ids[3], ids[2]],
    [ids[1], ids[0]],
  ]);
  expect(await listed([JobState.FAILED], 2)).toEqual([[]]);
});
