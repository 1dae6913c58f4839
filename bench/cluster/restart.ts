import { setTimeout as delay } from 'node:timers/promises';
import { randomStream } from '../../data/random';
import { JetStreamStore } from '../../gateway/jetstream/store';
import { isStoreAway } from '../../gateway/store';
import { faultsIn, messagesOf } from '../../test/gateway/jetstream/stream-faults';
import { happening, silent } from '../../test/gateway/outbox-jobs';
import { newJobOf, refusals } from '../../test/gateway/sample-jobs';
import { startNatsCluster } from '../../test/support/nats-cluster';

/*
 *   node --require ./test/support/typescript-hook.cjs bench/cluster/restart.ts [ROUNDS] [SEED]
 *
 * Kills all three nats-servers at once with SIGKILL, at drawn moments, and restarts them, while
 * three gateways' stores write. Each change that was acknowledged must be there afterwards. Exits
 * with 1 if one is not.
 */
const ROUNDS = Number(process.argv[2] ?? 10);
const SEED = Number(process.argv[3] ?? 1);
const STORES = 3;
/** Jobs that each store changes at once. */
const WRITERS = 4;
/** Changes of a job before its end. */
const CHANGES = 20;

async function main(): Promise<boolean> {
  const draws = randomStream(SEED, 'restarts');
  const nats = await startNatsCluster();
  const stores = await Promise.all(Array.from({ length: STORES }, () => JetStreamStore.open(nats.url, silent)));
  /** Sequence number of the last acknowledged event of each job. */
  const acknowledged = new Map<string, number>();
  let over = false;
  let made = 0;
  const write = async (store: JetStreamStore) => {
    while (!over) {
      const request = newJobOf(`restart-${made++}`);
      const { record } = await insisting(() => store.create(request, 1e6, refusals));
      acknowledged.set(record.id, record.sequence);
      for (let i = 0; i <= CHANGES; i++) {
        const change = i < CHANGES ? happeningOf(i) : ({ kind: 'state', state: 'SUCCEEDED' } as const);
        acknowledged.set(record.id, (await insisting(() => store.note(record.id, change))).sequence);
      }
    }
  };
  const writing = Promise.all(stores.flatMap((store) => Array.from({ length: WRITERS }, () => write(store))));
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await delay(500 + draws.int(2500));
      await Promise.all(nats.servers.map((server) => server.kill()));
      const before = total(acknowledged);
      await Promise.all(nats.servers.map((server) => server.restart()));
      while (total(acknowledged) === before) await delay(50);
    }
    over = true;
    await writing;
    const messages = await messagesOf(nats.url);
    const last = new Map<string, number>();
    for (const { headers } of messages) {
      const [id, sequence] = headers['Nats-Msg-Id']?.split(':') ?? [];
      if (id) last.set(id, Number(sequence));
    }
    const lost = [...acknowledged].filter(([id, sequence]) => (last.get(id) ?? 0) < sequence);
    const faults = faultsIn(messages);
    process.stdout.write(
      `${ROUNDS} kills of all servers; ${total(acknowledged)} acknowledged events of ${acknowledged.size} jobs; ` +
        `${lost.length} jobs lack one; ${faults.length} faults\n`,
    );
    for (const each of faults.slice(0, 20)) process.stdout.write(`${JSON.stringify(each)}\n`);
    return lost.length === 0 && faults.length === 0;
  } finally {
    for (const store of stores) await store.close();
    await nats.stop();
  }
}

/** Artifact with a name of its own. */
const happeningOf = (i: number) => {
  const change = happening(i);
  return change.kind === 'artifact' ? { ...change, artifact: { ...change.artifact, name: `part-${i}` } } : change;
};

const total = (acknowledged: ReadonlyMap<string, number>) => [...acknowledged.values()].reduce((a, b) => a + b, 0);

/** Makes a call again while the store is away. */
async function insisting<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isStoreAway(error)) throw error;
      await delay(200);
    }
  }
}

main().then(
  (good) => process.exit(good ? 0 : 1),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
