import type { StoredMsg } from '@nats-io/jetstream';
import { JOB_PATH } from '../../../job/job';
import { withJetStream } from '../outbox-jobs';

/** Reads all messages of a stream in order; deleted ones are skipped. */
export async function messagesOf(url: string): Promise<StoredMsg[]> {
  return withJetStream(url, async ({ streams }) => {
    const { state } = await streams.info('HIFI_EVENTS');
    const found: StoredMsg[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await streams.getMessage('HIFI_EVENTS', { seq });
      if (message) found.push(message);
    }
    return found;
  });
}

/**
 * Lists the faults of finished jobs, from the raw messages of their stream: events that are not
 * 1 … n, states other than each once in order, an epoch reported twice, and a change by a gateway
 * after another one has begun an attempt.
 */
export function faultsIn(messages: readonly StoredMsg[], jobs: readonly string[]): string[] {
  const faults: string[] = [];
  for (const id of jobs) {
    const own = messages.filter(({ subject }) => subject.startsWith(`hifi.v1.jobs.${id}.`));
    const bodies = own.map((message) => ({
      subject: message.subject,
      body: message.json<Body>(),
      driver: driverOf(message),
    }));
    const events = bodies.filter(({ subject }) => !subject.endsWith('.record')).map(({ body }) => body);
    const check = (right: boolean, fault: string) => void (right || faults.push(`${id}: ${fault}`));
    const sequences = events.map(({ sequence }) => sequence);
    check(
      sequences.every((sequence, i) => sequence === i + 1),
      `events are ${sequences}`,
    );
    const states = events.flatMap(({ state }) => (state === undefined ? [] : [state.replace('JOB_STATE_', '')]));
    check(states.join() === JOB_PATH.join(), `states are ${states}`);
    const epochs = events.flatMap(({ epoch }) => (epoch === undefined ? [] : [epoch.epoch]));
    check(epochs.join() === '1,2,3', `epochs are ${epochs}`);
    let driver: string | undefined;
    for (const [i, each] of bodies.entries()) {
      if (each.body.change?.kind === 'attempt') driver = each.driver;
      else check(driver === undefined || each.driver === driver, `message ${own[i].seq} is of an earlier driver`);
    }
  }
  return faults;
}

interface Body {
  sequence?: number;
  state?: string;
  epoch?: { epoch: number };
  change?: { kind: string };
}

const driverOf = ({ header }: StoredMsg) => header.get('Hifi-Note').split(' ')[0];
