import * as fs from 'node:fs';
import { randomStream } from '../../data/random';
import { JetStreamStore } from '../../gateway/jetstream/store';
import { GrpcClient } from '../../infra/grpc/client';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { silent } from '../../test/gateway/outbox-jobs';
import { newJobOf, refusals } from '../../test/gateway/sample-jobs';
import { temporaryFolder } from '../../test/support/deltas';
import { startNats } from '../../test/support/nats';
import { endServices, Service } from '../../test/support/services';

/*
 *   npm run build
 *   HIFI_ENTRY=dist/cli/hifi.js node --require ./test/support/typescript-hook.cjs \
 *     bench/cluster/waiting.ts [JOBS] [CALLS]
 *
 * Measures a gateway while 100,000 jobs wait in a nats-server that syncs each write.
 */
const JOBS = Number(process.argv[2] ?? 100_000);
const CALLS = Number(process.argv[3] ?? 1000);
const WRITERS = 64;
/** Number of calls before the measured ones. */
const WARMUP = 50;

const spec = {
  model: 'tiny-bert',
  train: { source: { case: 'inline' as const, value: { texts: ['They are here.', 'She left early.'] } } },
  analyzeOnly: true,
};

async function main(): Promise<void> {
  const stateDir = temporaryFolder('waiting');
  const storeDir = temporaryFolder('waiting-nats');
  const start = (sync: string) =>
    startNats({
      jetstream: false,
      config: `jetstream { store_dir: ${JSON.stringify(storeDir)}, sync_interval: ${sync} }`,
    });
  let nats = await start('2m');
  try {
    const began = performance.now();
    const ids = await fill(nats.url);
    await nats.stop();
    nats = await start('always');
    print(`| ${JOBS} jobs created, s | ${seconds(began)} |`);
    const from = performance.now();
    // Without an analyzer no model is checked, and no job ends.
    const peers = ['--analyzer', '127.0.0.1:1', '--trainer', '127.0.0.1:1'];
    const words = ['gateway', '--state-dir', stateDir, '--store', nats.url, '--gateway-port', '0', ...peers];
    const service = await Service.start(words, { HIFI_LOG: 'silent' });
    print(`| start of a gateway, s | ${seconds(from)} |`);
    const gateway = new GrpcClient(`127.0.0.1:${service.ports.gateway}`);
    const draws = randomStream(0, 'calls');
    const get = () => gateway.unary(GatewayService.method.getJob, { jobId: ids[draws.int(ids.length)] });
    const create = () => gateway.unary(GatewayService.method.createJob, { spec });
    for (const [name, call] of Object.entries({ GetJob: get, CreateJob: create })) {
      const times: number[] = [];
      for (let i = -WARMUP; i < CALLS; i++) {
        const start = performance.now();
        await call();
        if (i >= 0) times.push(performance.now() - start);
      }
      times.sort((a, b) => a - b);
      const at = (share: number) => times[Math.floor(share * CALLS)].toFixed(1);
      print(`| ${name}: median, p99, ms | ${at(0.5)}, ${at(0.99)} |`);
    }
    const memory = fs.readFileSync(`/proc/${service.pid}/status`, 'utf8');
    const [now, peak] = ['VmRSS', 'VmHWM'].map((name) =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(memory)?.[1]),
    );
    print(`| the gateway's RSS now, at most, MB | ${(now / 1000).toFixed(0)}, ${(peak / 1000).toFixed(0)} |`);
    gateway.close();
  } finally {
    await endServices();
    await nats.stop();
    for (const folder of [stateDir, storeDir]) fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Creates the waiting jobs. @returns their ids */
async function fill(url: string): Promise<string[]> {
  const store = await JetStreamStore.open(url, silent);
  const ids: string[] = [];
  let next = 0;
  const write = async () => {
    while (next < JOBS) {
      const job = { ...newJobOf(`waiting-${next++}`), spec: { model: 'tiny-bert', analyzeOnly: true } };
      ids.push((await store.create(job, JOBS + 1, refusals)).record.id);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  await store.close();
  return ids;
}

const seconds = (from: number) => ((performance.now() - from) / 1000).toFixed(1);
const print = (line: string) => process.stdout.write(`${line}\n`);

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
