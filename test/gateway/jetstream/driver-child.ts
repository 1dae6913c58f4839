import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamStore } from '../../../gateway/jetstream/store';
import { noteWhenRoom } from '../../../gateway/note-when-room';
import { type Attempt, roomFor, Scheduler } from '../../../gateway/scheduler';
import { JOB_PATH } from '../../../job/job';
import { silent } from '../outbox-jobs';
import { epochs } from '../sample-jobs';

/*
 * The job store and scheduler of a gateway, without services: URL LEASE_MS RUNNING HOLDS. An
 * attempt passes through all states. With HOLDS, the first attempt at a job stays in the state that
 * its spec names and keeps changing the job. Prints `over JOB` when a claim ends early.
 */
const [url, leaseMs, running, holds] = process.argv.slice(2);
/** Time that a job is in each state, in milliseconds. */
const STATE_MS = 60;

async function main(): Promise<void> {
  const store = await JetStreamStore.open(url, silent, Number(leaseMs));
  const attempt: Attempt = async (claim, signal) => {
    claim.over.addEventListener('abort', () => process.stdout.write(`over ${claim.id}\n`));
    const note = (...happenings: Parameters<typeof claim.note>) => noteWhenRoom(claim, happenings, signal, silent);
    await note({ kind: 'attempt' });
    const { hold } = (await store.spec(claim.id)) as { hold?: string };
    for (const state of JOB_PATH.slice(1)) {
      await note({ kind: 'state', state });
      if (state === 'TRAINING') for (const epoch of epochs(3)) await note(epoch);
      for (let i = 0; holds === 'holds' && hold === state; i++) {
        await note({ kind: 'warning', message: `${state} ${i}` });
        await delay(STATE_MS, undefined, { signal });
      }
      await delay(STATE_MS, undefined, { signal });
    }
  };
  const limits = { waiting: 1000, lostEngines: 3, awayMs: 60_000 };
  new Scheduler(store, attempt, silent, limits, roomFor(Number(running))).start();
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
