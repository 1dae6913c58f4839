import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { GrpcClient } from '../infra/grpc/client';
import { GatewayService, JobState } from '../proto/gen/hifi/v1/gateway_pb';
import { Candidate, type Spread, spreadOf } from './candidate';
import { printRow } from './table';

const HIFI = path.join(__dirname, '../dist/cli/hifi.js');
const HOOK = path.join(__dirname, '../test/support/typescript-hook.cjs');
/** Ended jobs in the two compared stores. */
const SIZES = [100, 50_000];
/** Calls of each kind. */
const CALLS = 60;
const WARMUP = 5;
const AT_ONCE = 50;
const INLINE_ROWS = 100_000;
const PROGRESS_EVENTS = 40;
const [WATCHERS, IDLE_READERS, IDLE_EVENTS] = [1000, 200, 20_000];
/** Streams per connection. */
const STREAMS = 50;

const { createJob, getJob, listJobs, cancelJob, deleteJob, watchJob } = GatewayService.method;

const spec = (texts: string[]) => ({
  model: 'tiny-bert',
  train: { source: { case: 'inline' as const, value: { texts } } },
  analyzeOnly: true,
});

/** Measures 50,000 ended jobs, the progress events of a large job, and watchers. */
export async function benchStore(): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-'));
  try {
    for (const size of SIZES) await fill(path.join(folder, String(size)), size);
    const gateways: Gateway[] = [];
    for (const size of SIZES) gateways.push(await started(path.join(folder, String(size))));
    try {
      await benchCalls(gateways);
    } finally {
      for (const { child, client } of gateways) {
        client.close();
        child.kill('SIGKILL');
        await new Promise((resolve) => child.once('exit', resolve));
      }
    }
    await benchJob(path.join(folder, 'job'));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts `hifi serve gateway` on a store. */
interface Gateway {
  child: ChildProcess;
  client: GrpcClient;
  startSeconds: number;
  /** Lists the latest jobs. */
  ids: string[];
}

const childOn = (stateDir: string) => {
  fs.mkdirSync(stateDir, { recursive: true });
  return new Candidate(
    'store',
    process.execPath,
    ['--require', HOOK, path.join(__dirname, 'store-child.ts'), stateDir],
    {
      HIFI_LOG: 'silent',
    },
  );
};

async function fill(stateDir: string, jobs: number): Promise<void> {
  const filler = childOn(stateDir);
  await filler.ready();
  await filler.request(`fill ${jobs}`);
  filler.quit();
  await delay(1000);
}

async function started(stateDir: string): Promise<Gateway> {
  const start = performance.now();
  const args = ['serve', 'gateway', '--state-dir', stateDir, '--gateway-port', '0'];
  const peers = ['--analyzer', '127.0.0.1:1', '--trainer', '127.0.0.1:1', '--json'];
  const child = spawn(process.execPath, [HIFI, ...args, ...peers], { stdio: ['ignore', 'pipe', 'ignore'] });
  const line = await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
  const startSeconds = since(start);
  const client = new GrpcClient(`127.0.0.1:${JSON.parse(line).gateway}`);
  const { jobs } = await client.unary(listJobs, { pageSize: 100 });
  return { child, client, startSeconds, ids: jobs.map(({ jobId }) => jobId) };
}

/** Times calls of each kind, to the gateways in turn. */
async function benchCalls(gateways: Gateway[]): Promise<void> {
  const rows = (work: string, figures: Spread[], digits = 4) => {
    for (const [i, size] of SIZES.entries()) {
      printRow(work, `${size.toLocaleString('en')} ended jobs`, figures[i], figures[0], digits);
    }
  };
  const time = async (work: string, call: (gateway: Gateway, i: number) => Promise<unknown>) => {
    const taken: number[][] = gateways.map(() => []);
    for (let i = -WARMUP; i < CALLS; i++) {
      for (const [at, gateway] of gateways.entries()) {
        const from = performance.now();
        await call(gateway, i + WARMUP);
        if (i >= 0) taken[at].push(since(from));
      }
    }
    rows(work, taken.map(spreadOf));
  };
  rows(
    'start of the gateway, s',
    gateways.map(({ startSeconds }) => only(startSeconds)),
    2,
  );
  await time('GetJob, s', ({ client, ids }, i) => client.unary(getJob, { jobId: ids[i] }));
  await time('ListJobs, first page of 50, s', ({ client }) => client.unary(listJobs, {}));
  const states = [JobState.FAILED];
  await time('ListJobs, a filter without a match, s', ({ client }) => client.unary(listJobs, { states }));
  await time('DeleteJob, s', ({ client, ids }, i) => client.unary(deleteJob, { jobId: ids[i] }));
  const create = ({ client }: Gateway) => client.unary(createJob, { spec: spec(['one', 'two']) });
  await time('CreateJob, s', create);
  const atOnce: Spread[] = [];
  for (const gateway of gateways) {
    const { jobs } = await gateway.client.unary(listJobs, {
      states: [JobState.QUEUED, JobState.ANALYZING],
      pageSize: 100,
    });
    for (const { jobId } of jobs) await gateway.client.unary(cancelJob, { jobId });
    const from = performance.now();
    await Promise.all(Array.from({ length: AT_ONCE }, () => create(gateway)));
    atOnce.push(only(since(from)));
  }
  rows(`${AT_ONCE} CreateJobs at once, s`, atOnce, 2);
  const memory = gateways.map(({ child }) => only(residentMegabytes(child.pid as number)));
  rows('resident memory after these calls, MB', memory, 0);
}

/** Measures one large job and many watchers. */
async function benchJob(stateDir: string): Promise<void> {
  const child = childOn(stateDir);
  const { port } = JSON.parse(await child.ready());
  const connect = (streams: number) =>
    Array.from({ length: Math.ceil(streams / STREAMS) }, () => new GrpcClient(`127.0.0.1:${port}`));
  const [client] = connect(1);
  const create = async (texts: string[]) => (await client.unary(createJob, { spec: spec(texts) })).job!.jobId;
  const row = (work: string, candidate: string, figure: Spread, digits = 3) =>
    printRow(work, candidate, figure, figure, digits);

  const large = await create(
    Array.from({ length: INLINE_ROWS }, (_, i) => `row ${i} has a text of some forty letters`),
  );
  const { cpuMs, content, bytes } = JSON.parse(await child.request(`progress ${large} ${PROGRESS_EVENTS}`));
  const job = `a job of ${INLINE_ROWS.toLocaleString('en')} inline rows`;
  row('a progress event: CPU, ms', job, only(cpuMs));
  row('a progress event: bytes of record and event', job, only(content), 0);
  row("a progress event: bytes of lmdb's pages of 4 KB", job, only(bytes), 0);

  const watched = await create(['one', 'two']);
  const watchers = new Candidate('watchers', process.execPath, [
    ...['--require', HOOK, path.join(__dirname, 'store-watchers.ts')],
    ...[String(port), watched, String(WATCHERS)],
  ]);
  await watchers.ready();
  const progress = child.request(`progress ${watched} ${PROGRESS_EVENTS}`);
  const calls: number[] = [];
  let over = false;
  void progress.then(() => {
    over = true;
  });
  while (!over) {
    const from = performance.now();
    await client.unary(getJob, { jobId: watched });
    calls.push(since(from));
    await delay(20);
  }
  await child.request(`epochs ${watched} 5`);
  const counts: number[] = JSON.parse(await watchers.ready());
  const expected = 1 + PROGRESS_EVENTS + 5 + 1;
  const missed = counts.filter((count) => count !== expected).length;
  row(
    `a progress event while ${WATCHERS} watch its job: CPU, ms`,
    'the gateway',
    only(JSON.parse(await progress).cpuMs),
    1,
  );
  row(`GetJob while ${WATCHERS} watch one job, s`, `${missed} of the watchers missed an event`, spreadOf(calls), 4);

  const ended = await create(['one', 'two']);
  await child.request(`epochs ${ended} ${IDLE_EVENTS}`);
  const memory = async () => JSON.parse(await child.request('memory')).bytes / 1e6;
  const before = await memory();
  const idle = connect(IDLE_READERS);
  const streams = Array.from({ length: IDLE_READERS }, (_, i) =>
    idle[i % idle.length].stream(watchJob, { jobId: ended }),
  );
  await Promise.all(streams.map((stream) => stream.next()));
  await delay(3000);
  const grown = (await memory()) - before;
  row(`memory for ${IDLE_READERS} readers that read one of ${IDLE_EVENTS} events, MB`, 'an ended job', only(grown), 1);
  for (const each of [...idle, client]) each.close();
  child.quit();
}

const since = (start: number) => (performance.now() - start) / 1000;

const only = (value: number): Spread => ({ least: value, median: value, most: value });

const residentMegabytes = (pid: number) =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;
