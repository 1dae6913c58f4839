import * as fs from 'node:fs';
import { jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { randomStream } from '../../data/random';
import { createdJob } from '../../gateway/jetstream/job-log';
import { requestSubject, workSubject } from '../../gateway/jetstream/layout';
import { Session } from '../../gateway/jetstream/session';
import { JetStreamStore } from '../../gateway/jetstream/store';
import { newJobId } from '../../gateway/store';
import { GrpcClient } from '../../infra/grpc/client';
import { connectNats, natsAddress } from '../../infra/nats';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { silent } from '../../test/gateway/outbox-jobs';
import { newJobOf } from '../../test/gateway/sample-jobs';
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

/**
 * Creates the waiting jobs: the messages that `JetStreamStore.create` appends.
 *
 * @returns their ids
 */
async function fill(url: string): Promise<string[]> {
  await (await JetStreamStore.open(url, silent)).close();
  const link = await connectNats(natsAddress(url), 'fill');
  const session = new Session(link, await jetstreamManager(link.nc));
  const ids: string[] = [];
  const write = async () => {
    while (ids.length < JOBS) {
      const given = { ...newJobOf(`waiting-${ids.length}`), spec: { model: 'tiny-bert', analyzeOnly: true } };
      const id = newJobId(Date.now(), ids.at(-1) ?? '');
      ids.push(id);
      const { entries } = createdJob(id, given, Date.now(), { gateway: 'fill', call: id });
      const subject = requestSubject(given.requestId);
      const request = { subject, body: JSON.stringify({ id, specHash: given.specHash }), headers: headers() };
      await session.append([request, ...entries], { subject, last: 0 });
      const offer = { subject: workSubject(id), body: '', headers: headers() };
      await session.append([offer], { subject: offer.subject, last: 0 });
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  await link.close();
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
