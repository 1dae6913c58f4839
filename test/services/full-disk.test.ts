import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { followJob } from '../../gateway/follow-job';
import { uploadFile } from '../../infra/artifacts/transfer';
import type { GrpcClient } from '../../infra/grpc/client';
import { ArtifactService } from '../../proto/gen/hifi/v1/artifact_pb';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { status } from '../../proto/status';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { FillingDisk } from '../support/filling-disk';
import { clientsOf } from '../support/services';
import { until } from '../support/until';
import { createJob, deltaOf, follow, getJob, MANY_STEPS, SHORT } from './struck-job';

/*
 * Runs all services with their state on one small disk, which fills up. Clients can repeat refused
 * requests, jobs wait, and everything continues once there is room.
 */

/**
 * Longest time of a job on a busy machine, in milliseconds: its engines have the lowest priority.
 */
const LOADED_MS = 400_000;

const HOOK = path.join(__dirname, '../support/typescript-hook.cjs');
const HIFI = path.join(__dirname, '../../cli/hifi.ts');
const FULL = {
  code: status.RESOURCE_EXHAUSTED,
  reason: 'DISK_FULL',
  details: { retrySeconds: expect.any(Number) },
};

const disk = FillingDisk.mount(32);
const elsewhere = temporaryFolder('full-disk');
const log = path.join(elsewhere, 'log');
const state = (...parts: string[]) => path.join(disk!.folder, 'state', ...parts);
let service: ChildProcess;
let clients: ReturnType<typeof clientsOf>;
let gateway: GrpcClient;

beforeAll(async () => {
  if (!disk) return;
  fs.mkdirSync(state(), { mode: 0o700 });
  const ports = ['gateway', 'analyzer', 'trainer'].flatMap((name) => [`--${name}-port`, '0']);
  const words = ['serve', 'all', '--state-dir', state(), ...ports, '--data-root', FIXTURES, '--json'];
  service = spawn(process.execPath, ['--require', HOOK, HIFI, ...words], {
    stdio: ['ignore', 'pipe', fs.openSync(log, 'a')],
    env: { ...process.env, NODE_OPTIONS: `--require=${JSON.stringify(HOOK)}` },
  });
  const line = await new Promise<string>((resolve, reject) => {
    service.stdout?.setEncoding('utf8').once('data', resolve);
    service.once('exit', () => reject(new Error(fs.readFileSync(log, 'utf8'))));
  });
  clients = clientsOf(JSON.parse(line));
  gateway = clients.gateway;
});
afterEach(() => disk?.empty());
afterAll(async () => {
  if (!disk) return;
  for (const client of Object.values(clients ?? {})) client.close();
  const ended = new Promise((resolve) => service.once('exit', resolve));
  service.kill('SIGTERM');
  await ended;
  disk.unmount();
  fs.rmSync(elsewhere, { recursive: true });
});
const onDisk = disk ? test : test.skip;

/** Counts the log lines about a job, or its record, that found no room. */
const foundFull = () =>
  fs
    .readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => /DISK_FULL.*an attempt at the job failed|the job store has no room/.test(line)).length;

onDisk('an upload and rows of a request are refused, leave nothing, and come once there is room', async () => {
  const file = path.join(elsewhere, 'rows.tsv');
  const bytes = randomBytes(2 << 20);
  fs.writeFileSync(file, bytes);
  const stored = { sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length };
  disk!.fill(64 << 10);
  await expect(uploadFile(gateway, file, stored)).rejects.toMatchObject(FULL);
  await expect(createJob(gateway, MANY_STEPS)).rejects.toMatchObject(FULL);
  expect([fs.readdirSync(state('artifacts/parts')), fs.readdirSync(state('scratch/gateway'))]).toEqual([[], []]);
  // The gateway answers throughout.
  expect(await gateway.unary(GatewayService.method.listJobs, {})).toMatchObject({ jobs: [] });
  disk!.empty();
  await uploadFile(gateway, file, stored);
  const upload = await gateway.unary(ArtifactService.method.getUpload, { sha256: stored.sha256 });
  expect(upload.complete).toBe(true);
});

onDisk(
  'a job waits for room for its analysis and for its checkpoint, and ends in the same delta',
  async () => {
    const undisturbed = await createJob(gateway, SHORT);
    await follow(gateway, undisturbed);
    const expected = deltaOf(state(), await getJob(gateway, undisturbed));

    disk!.fill();
    await expect(createJob(gateway, SHORT)).rejects.toMatchObject(FULL);
    disk!.empty();
    const jobId = await createJob(gateway, SHORT);
    const strikes: string[] = [];
    const struck = async (where: string, left: number) => {
      const before = foundFull();
      disk!.fill(left);
      await until(foundFull, (count) => count > before, `an attempt that finds no room: ${where}`);
      expect((await getJob(gateway, jobId)).error).toBeUndefined();
      strikes.push(where);
      disk!.empty();
    };
    await struck('analysis', 0);
    for await (const { event } of followJob(gateway, jobId, 1, new AbortController().signal)) {
      // The engine takes a second to start. By then there is room for a run's first file, its
      // record, but not for a checkpoint.
      if (event.kind === 'state' && event.state === 'TRAINING') await struck('checkpoint', 64 << 10);
    }
    const job = await getJob(gateway, jobId);
    expect(strikes).toEqual(['analysis', 'checkpoint']);
    expect(job.error).toBeUndefined();
    expect(deltaOf(state(), job)).toEqual(expected);
    expect(service.exitCode).toBe(null);
  },
  LOADED_MS,
);
