import type { StoredMsg } from '@nats-io/jetstream';
import { JOB_PATH } from '../../../job/job';
import { withJetStream } from '../outbox-jobs';

/** Stored message of a stream, as plain data. */
export interface Recorded {
  subject: string;
  seq: number;
  /** Time at which the server stored it, in milliseconds since the epoch. */
  time: number;
  headers: Record<string, string>;
  body: string;
}

/** Rules that the streams of a store keep. */
export const RULES = [
  /** A job begins with its creation, and a request id has created one job. */
  'created once',
  /** The events of a job are 1 … n in this order, each with its own id. */
  'no gap',
  /** States only go forward, from QUEUED on. */
  'legal states',
  /** A job has one final state, and nothing follows it. */
  'one end',
  /** Each attempt has the next number, and the driver that began it writes until the next one. */
  'attempts rise',
  /** A writer has seen all attempts that precede its message. */
  'latest attempt',
  /** Epochs and results are reported once. */
  'results once',
  /** No gateway takes a lease before another one's has ended. */
  'leases disjoint',
] as const;
export type Rule = (typeof RULES)[number];

/** Violation of a rule. */
export interface Fault {
  rule: Rule;
  job: string;
  text: string;
}

/** Reads all messages of a stream in order; deleted ones are skipped. */
export async function messagesOf(url: string, stream = 'HIFI_EVENTS'): Promise<Recorded[]> {
  return withJetStream(url, async ({ streams }) => {
    const { state } = await streams.info(stream);
    const found: Recorded[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await streams.getMessage(stream, { seq });
      if (message) found.push(recordedOf(message));
    }
    return found;
  });
}

const recordedOf = (message: StoredMsg): Recorded => ({
  subject: message.subject,
  seq: message.seq,
  time: message.time.getTime(),
  headers: Object.fromEntries([...(message.header ?? [])].map(([name, values]) => [name, values.join()])),
  body: message.string(),
});

/**
 * Lists the faults of HIFI_EVENTS, in which all jobs have ended.
 *
 * @param jobs jobs to check; all by default
 */
export function faultsIn(messages: readonly Recorded[], jobs = jobsIn(messages)): Fault[] {
  const requests = messages.filter(({ subject }) => subject.startsWith('hifi.v1.requests.'));
  const twice = requests.filter(({ subject }, i) => requests.findIndex((each) => each.subject === subject) !== i);
  return [
    ...twice.map((each) => fault('created once', JSON.parse(each.body).id, `message ${each.seq} repeats a request id`)),
    ...jobs.flatMap((id) =>
      jobFaults(
        id,
        messages.filter(({ subject }) => subject.startsWith(`hifi.v1.jobs.${id}.`)),
        requests.filter(({ body }) => JSON.parse(body).id === id),
      ),
    ),
  ];
}

const jobsIn = (messages: readonly Recorded[]) => [
  ...new Set(messages.flatMap(({ subject }) => /^hifi\.v1\.jobs\.(\w+)\./.exec(subject)?.[1] ?? [])),
];

const fault = (rule: Rule, job: string, text: string): Fault => ({ rule, job, text });

interface Body {
  sequence?: number;
  state?: string;
  epoch?: { epoch: number };
  artifact?: { name: string; sha256: string };
  change?: { kind: string };
}

const ENDS = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

function jobFaults(id: string, own: readonly Recorded[], requests: readonly Recorded[]): Fault[] {
  const faults: Fault[] = [];
  const check = (right: boolean, rule: Rule, text: string) => void (right || faults.push(fault(rule, id, text)));
  check(requests.length === 1, 'created once', `${requests.length} request ids name it`);
  let [sequence, state, attempt, epoch] = [0, '', 0, 0];
  let driver: string | undefined;
  const results = new Set<string>();
  for (const [i, { subject, seq, headers, body: text }] of own.entries()) {
    const body = JSON.parse(text) as Body;
    const at = `message ${seq}`;
    check((body.change?.kind === 'created') === (i === 0), 'created once', `${at} is number ${i} of the job`);
    check(!ENDS.includes(state), 'one end', `${at} follows ${state}`);
    if (body.change?.kind === 'attempt') attempt++;
    const [writer, , seen] = headers['Hifi-Note']?.split(' ') ?? [];
    if (body.change?.kind === 'attempt') {
      check(Number(seen) === attempt, 'attempts rise', `${at} begins attempt ${seen} after ${attempt - 1}`);
      driver = writer;
    } else if (i > 0) {
      check(Number(seen) === attempt, 'latest attempt', `${at} is of attempt ${seen} after attempt ${attempt} began`);
      // Clients' calls change a job through any gateway.
      const called = body.change?.kind === 'cancelling' || body.state === 'JOB_STATE_CANCELLED';
      const right = called || driver === undefined || writer === driver;
      check(right, 'attempts rise', `${at} is of ${writer} in an attempt of ${driver}`);
    }
    if (subject.endsWith('.record')) continue;
    check(body.sequence === sequence + 1, 'no gap', `${at} is event ${body.sequence} after ${sequence}`);
    check(headers['Nats-Msg-Id'] === `${id}:${body.sequence}`, 'no gap', `${at} has id ${headers['Nats-Msg-Id']}`);
    sequence = body.sequence ?? 0;
    if (body.state) {
      const next = body.state.replace('JOB_STATE_', '');
      check(follows(state, next), 'legal states', `${at} is ${next} after ${state || 'its creation'}`);
      state = next;
    }
    if (body.epoch) {
      check(body.epoch.epoch === epoch + 1, 'results once', `${at} is epoch ${body.epoch.epoch} after ${epoch}`);
      epoch = body.epoch.epoch;
    }
    // A report contains times: an attempt that draws it again has another one.
    if (body.artifact && !body.artifact.name.startsWith('report')) {
      check(!results.has(body.artifact.name), 'results once', `${at} repeats ${body.artifact.name}`);
      results.add(body.artifact.name);
    }
  }
  check(ENDS.includes(state), 'one end', `its last state is ${state}`);
  return faults;
}

function follows(from: string, to: string): boolean {
  if (from === '') return to === 'QUEUED';
  const path = JOB_PATH as readonly string[];
  return path.includes(to) ? path.indexOf(to) > path.indexOf(from) : ENDS.includes(to);
}

/**
 * Lists the faults in a history of KV_HIFI_LEASES. A lease lasts from its entry to its release, to
 * the next entry, or to the end of its lifetime.
 *
 * @param leaseMs lifetime of a lease without a renewal, in milliseconds
 */
export function leaseFaults(entries: readonly Recorded[], leaseMs: number): Fault[] {
  const held = new Map<string, { driver: string; until: number }>();
  return entries.flatMap(({ subject, seq, time, headers, body }) => {
    const job = subject.split('.')[2];
    const before = held.get(job);
    if (headers['KV-Operation']) {
      held.delete(job);
      return [];
    }
    const { driver } = JSON.parse(body) as { driver: string };
    held.set(job, { driver, until: time + leaseMs });
    if (!before || before.driver === driver || before.until <= time) return [];
    const early = `${before.until - time} ms before the end of that of ${before.driver}`;
    return [fault('leases disjoint', job, `entry ${seq} is a lease of ${driver}, ${early}`)];
  });
}
