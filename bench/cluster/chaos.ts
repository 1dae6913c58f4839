import * as fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { randomStream } from '../../data/random';
import { LEASE_MS } from '../../gateway/jetstream/layout';
import { JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { recordedLeases, recordLeases } from '../../test/gateway/jetstream/lease-history';
import { faultsIn, leaseFaults, messagesOf } from '../../test/gateway/jetstream/stream-faults';
import { withJetStream } from '../../test/gateway/outbox-jobs';
import { eventsOf, getJob } from '../../test/services/struck-job';
import { type Cluster, type Member, oneOf, startCluster } from './cluster';
import { createAndFollow, deltaOfOneProcess, insisting, specOf } from './jobs';

/*
 *   npm run build
 *   HIFI_ENTRY=dist/cli/hifi.js node --require ./test/support/typescript-hook.cjs \
 *     bench/cluster/chaos.ts [--jobs 50] [--seed 1] [--pause 3]
 *
 * Runs jobs on three nats-servers, three gateways, four analyzers and two trainers, and kills one
 * of these processes with SIGKILL after each pause of 1 to 2 · PAUSE − 1 seconds. Then checks the
 * jobs and the streams. Exits with 1 if anything is wrong. On a busy machine a longer pause leaves
 * the processes time to start.
 */

/** Shortest pause between two kills, in milliseconds. */
const LEAST_PAUSE = 1_000;
/** Most processes that are away at once: on a busy machine a start takes long. */
const MOST_AWAY = 3;
/** Number of different jobs. */
const SPECS = 5;

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      jobs: { type: 'string', default: '50' },
      seed: { type: 'string', default: '1' },
      pause: { type: 'string', default: '3' },
    },
  });
  const [jobs, seed] = [Number(values.jobs), Number(values.seed)];
  const specs = Array.from({ length: SPECS }, (_, i) => specOf(i));
  const deltas: string[] = [];
  for (const spec of specs) deltas.push(await deltaOfOneProcess(spec));
  print(`${new Set(deltas).size} different deltas of \`hifi run\``);
  const cluster = await startCluster({ gateway: 3, analyzer: 4, trainer: 2 });
  const faults: string[] = [];
  const check = (right: boolean, what: string) => void (right || faults.push(what));
  try {
    await recordLeases(cluster.nats.url);
    const draws = randomStream(seed, 'clients');
    const [began, over] = [performance.now(), new AbortController()];
    const killing = killUntil(cluster, seed, Number(values.pause) * 1000, over.signal);
    let done = 0;
    const histories = await Promise.all(
      Array.from({ length: jobs }, async (_, i) => {
        const clients = [oneOf(draws, cluster.gateways), oneOf(draws, cluster.gateways)];
        const history = await createAndFollow(clients, specs[i % SPECS], `chaos-${i}`);
        print(`${seconds(began)} s: ${++done} jobs of ${jobs} have ended`);
        return history;
      }),
    )
      .catch(async (error) => {
        print(`the stream: ${await streamOf(cluster).catch(String)}`);
        throw error;
      })
      .finally(async () => {
        over.abort();
        await killing.catch(() => {});
      });
    const wall = seconds(began);
    const kills = await killing;
    let attempts = 0;
    for (const [i, { jobId, events }] of histories.entries()) {
      const gateway = oneOf(draws, cluster.gateways);
      const job = await insisting(() => getJob(gateway, jobId));
      const state = JobState[job.state];
      check(state === 'SUCCEEDED', `job ${jobId} is ${state}: ${job.error?.message}`);
      const stored = await insisting(() => eventsOf(gateway, jobId));
      check(JSON.stringify(stored) === JSON.stringify(events), `job ${jobId}: a watcher has seen other events`);
      const delta = job.artifacts.filter(({ name }) => name === 'delta/delta.safetensors').map(({ sha256 }) => sha256);
      check(delta.join() === deltas[i % SPECS], `job ${jobId} has delta ${delta}, not ${deltas[i % SPECS]}`);
      attempts += job.attempt ?? 0;
    }
    check(new Set(histories.map(({ jobId }) => jobId)).size === jobs, 'two requests have one job');
    const messages = await messagesOf(cluster.nats.url);
    const found = [...faultsIn(messages), ...(await leasesOf(cluster))];
    for (const each of found) faults.push(`${each.rule}: job ${each.job}: ${each.text}`);
    const victims = Object.entries(kills).map(([name, count]) => `${name} ${count}`);
    const killed = Object.values(kills).reduce((a, b) => a + b, 0);
    print(`| jobs | seconds | attempts | kills | messages | faults |\n|---|---|---|---|---|---|`);
    print(`| ${jobs} | ${wall} | ${attempts} | ${killed} | ${messages.length} | ${faults.length} |`);
    print(`killed: ${victims.join(', ')}`);
    for (const each of faults) print(each);
    if (faults.length > 0) fs.writeFileSync('/tmp/hifi-chaos.json', JSON.stringify(messages));
    return faults.length === 0;
  } finally {
    fs.writeFileSync('/tmp/hifi-chaos.log', cluster.log());
    await cluster.stop();
  }
}

/**
 * Kills a drawn process after each drawn pause and restarts it at once.
 *
 * @param meanMs mean pause, in milliseconds
 */
async function killUntil(
  { members }: Cluster,
  seed: number,
  meanMs: number,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  const draws = randomStream(seed, 'kills');
  const kills: Record<string, number> = {};
  const restarting = new Map<Member, Promise<void>>();
  while (!signal.aborted) {
    await delay(LEAST_PAUSE + draws.int(2 * (meanMs - LEAST_PAUSE)), undefined, { signal }).catch(() => {});
    const victim = oneOf(draws, members);
    if (signal.aborted || restarting.has(victim) || restarting.size === MOST_AWAY) continue;
    kills[victim.name] = (kills[victim.name] ?? 0) + 1;
    await victim.kill();
    // A port may still be in use.
    const restarted = victim
      .restart()
      .catch(() => victim.restart())
      .then(() => void restarting.delete(victim));
    restarting.set(victim, restarted);
  }
  await Promise.all(restarting.values());
  return kills;
}

/** State of the jobs' stream, for the report of a failure. */
const streamOf = ({ nats }: Cluster) =>
  withJetStream(nats.url, async ({ streams }) => {
    const { state, cluster } = await streams.info('HIFI_EVENTS');
    return JSON.stringify({ state, cluster });
  });

async function leasesOf(cluster: Cluster) {
  const { entries, missing } = await recordedLeases(cluster.nats.url);
  print(`${entries.length} entries of leases; ${missing} more were not recorded`);
  return leaseFaults(entries, LEASE_MS);
}

const seconds = (from: number) => ((performance.now() - from) / 1000).toFixed(0);
const print = (line: string) => process.stdout.write(`${line}\n`);

main().then(
  (good) => process.exit(good ? 0 : 1),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
