import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Bucket } from '../../infra/artifacts/bucket';
import { downloadBytes } from '../../infra/artifacts/transfer';
import { GrpcClient } from '../../infra/grpc/client';
import { type Job, JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { freePorts } from '../support/ports';
import { BUCKET, type S3Server, startS3 } from '../support/s3';
import { endServices, Service } from '../support/services';
import { createJob, follow, getJob, LONG_EPOCHS } from './struck-job';

/* Services that share nothing but an S3 bucket: each has a state directory of its own. */
const root = temporaryFolder('s3-services');
let s3: S3Server;
let bucket: Bucket;
let gateway: GrpcClient;
let trainer: Service;
let startTrainer: (stateDir: string) => Promise<Service>;

beforeAll(async () => {
  s3 = await startS3();
  Object.assign(process.env, s3.env);
  bucket = new Bucket({ bucket: BUCKET, prefix: 'team/' });
  const [analyzer, port] = await freePorts(2);
  const start = (name: string, kind: string, words: string[]) =>
    Service.start([
      ...[kind, '--state-dir', path.join(root, name), '--artifacts', `s3://${BUCKET}/team`],
      ...['--data-root', FIXTURES, ...words],
    ]);
  startTrainer = (stateDir) => start(stateDir, 'trainer', ['--trainer-port', String(port)]);
  const peers = ['--analyzer', `127.0.0.1:${analyzer}`, '--trainer', `127.0.0.1:${port}`];
  const [served, one] = await Promise.all([
    start('gateway', 'gateway', ['--gateway-port', '0', ...peers]),
    startTrainer('trainer-1'),
    start('analyzer', 'analyzer', ['--analyzer-port', String(analyzer)]),
  ]);
  trainer = one;
  gateway = new GrpcClient(`127.0.0.1:${served.ports.gateway}`);
});
afterAll(async () => {
  for (const name of Object.keys(s3?.env ?? {})) delete process.env[name];
  gateway?.close();
  await endServices();
  await s3?.stop();
  fs.rmSync(root, { recursive: true, force: true });
});

const keysOf = async (prefix: string) => {
  const keys: string[] = [];
  for await (const { key } of bucket.list(prefix)) keys.push(key);
  return keys;
};

/** Bytes of a job's delta, as the gateway sends them. */
async function deltaOf({ artifacts }: Job): Promise<Buffer> {
  const { sha256 } = artifacts.find(({ name }) => name === 'delta/delta.safetensors')!;
  const chunks: Uint8Array[] = [];
  for await (const chunk of downloadBytes(gateway, sha256, 0)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Steps of the newest checkpoint in the bucket. */
const storedSteps = async () =>
  Math.max(0, ...(await keysOf('runs/')).map((key) => Number(/(\d+)-\w+$/.exec(key)?.[1] ?? 0)));

test('another trainer resumes the training of a killed one, and the delta is the same', async () => {
  const jobId = await createJob(gateway, LONG_EPOCHS);
  let reached = 0;
  let stored = 0;
  await follow(gateway, jobId, async ({ event }) => {
    if (reached > 0 || event.kind !== 'progress' || event.stage !== 'train') return;
    stored = await storedSteps();
    if (stored === 0) return;
    reached = event.done;
    await trainer.kill('SIGKILL');
    await startTrainer('trainer-2');
  });
  const job = await getJob(gateway, jobId);
  expect(job.state).toBe(JobState.SUCCEEDED);
  expect(reached).toBeGreaterThan(0);
  expect(job.metrics!.resumedFromStep).toBeGreaterThanOrEqual(stored);
  const undisturbed = await createJob(gateway, LONG_EPOCHS);
  await follow(gateway, undisturbed);
  const other = await getJob(gateway, undisturbed);
  expect(other.metrics!.resumedFromStep).toBeUndefined();
  expect((await deltaOf(job)).equals(await deltaOf(other))).toBe(true);
  // The checkpoints of ended jobs are removed.
  for (let tries = 0; tries < 50 && (await keysOf('runs/')).length > 0; tries++) await delay(100);
  expect(await keysOf('runs/')).toEqual([]);
});
