import { setTimeout as delay } from 'node:timers/promises';
import { LEASE_MS } from '../../gateway/jetstream/layout';
import { JOB_PATH } from '../../job/job';
import { JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { recordedLeases, recordLeases } from '../../test/gateway/jetstream/lease-history';
import { faultsIn, leaseFaults, messagesOf, type Recorded } from '../../test/gateway/jetstream/stream-faults';
import { getJob } from '../../test/services/struck-job';
import { startNatsProxy } from '../../test/support/nats-proxy';
import { signalTo } from '../../test/support/services';
import { type Cluster, startCluster } from './cluster';
import { createAndFollow, deltaOfOneProcess, specOf } from './jobs';

/*
 *   npm run build
 *   HIFI_ENTRY=dist/cli/hifi.js node --require ./test/support/typescript-hook.cjs \
 *     bench/cluster/stopped.ts [SECONDS]
 *
 * Stops a gateway with SIGSTOP, for 60 s, in each state of a job, and then lets it continue. A
 * proxy before each gateway's nats-server sees the write that begins the state. Jobs run until each
 * state has had its gateway. Exits with 1 if anything is wrong.
 */
const STOPPED_MS = Number(process.argv[2] ?? 60) * 1000;
const STATES = JOB_PATH.slice(0, -1);
/** Number of gateways that are never stopped. */
const SUCCESSORS = 2;
/** Time in which a gateway that woke up could write, in milliseconds. */
const AWAKE_MS = 10_000;

/** Gateway that was stopped while it drove a job. */
interface Stop {
  state: string;
  gateway: string;
  job: string;
  /** Time of the stop, in milliseconds since the epoch. */
  time: number;
}

async function main(): Promise<boolean> {
  const stops: Stop[] = [];
  const woken: Promise<void>[] = [];
  let cluster: Cluster | undefined;
  const stopIn = (state: string, i: number) => (subject: string, text: string) => {
    const service = cluster?.services.gateway[i];
    if (!service || stops.some((each) => each.state === state) || !begins(state, subject, text)) return;
    signalTo(service.pid, 'SIGSTOP');
    const [, gateway] = /^Hifi-Note: ?(\S+)/m.exec(text) ?? [];
    stops.push({ state, gateway: String(gateway), job: subject.split('.')[3], time: Date.now() });
    process.stdout.write(`stopped a gateway in ${state}\n`);
    woken.push(delay(STOPPED_MS).then(() => void signalTo(service.pid, 'SIGCONT')));
  };
  const spec = specOf(0);
  const delta = await deltaOfOneProcess(spec);
  const faults: string[] = [];
  cluster = await startCluster({ gateway: STATES.length + SUCCESSORS, analyzer: 1, trainer: 2 }, async (i, nats) => {
    if (i >= STATES.length) return nats.url;
    const proxy = await startNatsProxy(nats.servers[i % 3].port, stopIn(STATES[i], i));
    return `nats://127.0.0.1:${proxy.port}`;
  });
  const { nats, gateways } = cluster;
  try {
    await recordLeases(nats.url);
    const clients = gateways.slice(STATES.length);
    const jobs: string[] = [];
    const run = async () => {
      while (stops.length < STATES.length) {
        const { jobId } = await createAndFollow(clients, spec, `stopped-${jobs.push('')}`);
        const job = await getJob(clients[0], jobId);
        const [found] = job.artifacts.filter(({ name }) => name === 'delta/delta.safetensors');
        if (job.state !== JobState.SUCCEEDED || found?.sha256 !== delta) faults.push(`job ${jobId} has another result`);
      }
    };
    // Several at once, so that the stopped gateways get jobs too.
    await Promise.all([run(), run(), run(), run()]);
    await Promise.all(woken);
    await delay(AWAKE_MS);
    const messages = await messagesOf(nats.url);
    const { entries } = await recordedLeases(nats.url);
    for (const each of [...faultsIn(messages), ...leaseFaults(entries, LEASE_MS)]) faults.push(JSON.stringify(each));
    process.stdout.write(
      '| stopped in | next attempt after, s | writes after it by the stopped one |\n|---|---|---|\n',
    );
    for (const stop of stops) process.stdout.write(`${rowOf(stop, messages)}\n`);
    process.stdout.write(`${jobs.length} jobs, ${messages.length} messages, ${faults.length} faults\n`);
    for (const each of faults) process.stdout.write(`${each}\n`);
    return faults.length === 0;
  } finally {
    await cluster.stop();
  }
}

/** True for the message that begins a state. An attempt begins with a job that is QUEUED. */
const begins = (state: string, subject: string, text: string) =>
  state === 'QUEUED'
    ? subject.endsWith('.record') && text.includes('"kind":"attempt"')
    : subject.endsWith('.state') && text.includes(`JOB_STATE_${state}`);

function rowOf({ state, gateway, job, time }: Stop, messages: readonly Recorded[]): string {
  const own = messages.filter(({ subject }) => subject.startsWith(`hifi.v1.jobs.${job}.`));
  const isOf = ({ headers }: Recorded) => headers['Hifi-Note']?.startsWith(gateway);
  const next = own.findIndex((each) => each.time > time && each.body.includes('"kind":"attempt"') && !isOf(each));
  const after = next < 0 ? '–' : ((own[next].time - time) / 1000).toFixed(1);
  return `| ${state} | ${after} | ${next < 0 ? '–' : own.slice(next).filter(isOf).length} |`;
}

main().then(
  (good) => process.exit(good ? 0 : 1),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
