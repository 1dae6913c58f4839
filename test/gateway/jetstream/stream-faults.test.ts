import { JetStreamStore } from '../../../gateway/jetstream/store';
import type { Claim } from '../../../gateway/store';
import { JOB_PATH } from '../../../job/job';
import { type NatsServer, startNats } from '../../support/nats';
import { until } from '../../support/until';
import { happening, silent } from '../outbox-jobs';
import { created, epochs } from '../sample-jobs';
import { recordedLeases, recordLeases } from './lease-history';
import { faultsIn, leaseFaults, messagesOf, type Recorded, RULES, type Rule } from './stream-faults';

/* Violations planted in copies of the real streams of a job that two gateways have driven. */
const LEASE_MS = 500;
let nats: NatsServer;
let jobs: Recorded[];
let leases: Recorded[];

beforeAll(async () => {
  nats = await startNats({ jetstream: true });
  const [first, second] = [await open(), await open()];
  await recordLeases(nats.url);
  await created(first, 'planted');
  const claim = await claimed(first);
  await claim.note({ kind: 'attempt' }, { kind: 'state', state: 'ANALYZING' });
  await first.close();
  const next = await claimed(second);
  await next.note({ kind: 'attempt' });
  for (const state of JOB_PATH.slice(2, -1)) await next.note({ kind: 'state', state });
  await next.note(...epochs(2), happening(1), { kind: 'state', state: 'SUCCEEDED' });
  await next.release();
  const history = () => recordedLeases(nats.url);
  ({ entries: leases } = await until(
    history,
    ({ entries }) => 'KV-Operation' in (entries.at(-1)?.headers ?? {}),
    'the release',
  ));
  jobs = await messagesOf(nats.url);
  await second.close();
});
afterAll(() => nats?.stop());

const open = () => JetStreamStore.open(nats.url, silent, LEASE_MS);
const claimed = async (store: JetStreamStore) => (await store.claim(new AbortController().signal)) as Claim;

test('the streams of a job that two gateways have driven have no fault', () => {
  expect(faultsIn(jobs)).toEqual([]);
  expect(leaseFaults(leases, LEASE_MS)).toEqual([]);
  expect(new Set(leases.filter(({ body }) => body).map(({ body }) => body)).size).toBe(2);
});

/** Position of a message whose body contains some text. */
const at = (messages: Recorded[], text: string) => messages.findIndex(({ body }) => body.includes(text));

/** Copy of the jobs' stream with a message inserted before another one. */
const inserted = (messages: Recorded[], position: number, message: Recorded) =>
  messages.toSpliced(position, 0, message);

/** Copy of a message by a writer who has seen another number of attempts. */
const ofAttempt = (message: Recorded, attempt: number): Recorded => {
  const [gateway, call] = message.headers['Hifi-Note'].split(' ');
  return { ...message, headers: { ...message.headers, 'Hifi-Note': `${gateway} ${call} ${attempt}` } };
};

const PLANTED: [rule: Rule, what: string, plant: (messages: Recorded[]) => Recorded[]][] = [
  ['created once', 'a request id with two jobs', (all) => [...all, all[at(all, 'specHash')]]],
  ['created once', 'a second creation', (all) => inserted(all, at(all, 'QUEUED'), all[at(all, '"created"')])],
  ['no gap', 'a lost event', (all) => all.toSpliced(at(all, '"epoch":1'), 1)],
  ['no gap', 'a repeated event', (all) => inserted(all, at(all, 'EXPORTING'), all[at(all, 'EVALUATING')])],
  [
    'legal states',
    'a state that goes back',
    (all) => all.map((each) => ({ ...each, body: each.body.replace('JOB_STATE_EXPORTING', 'JOB_STATE_ANALYZING') })),
  ],
  ['one end', 'a second end', (all) => [...all, all[at(all, 'SUCCEEDED')]]],
  ['one end', 'a job without an end', (all) => all.toSpliced(at(all, 'SUCCEEDED'), 1)],
  [
    'attempts rise',
    'an attempt that repeats a number',
    (all) => all.map((each) => (each.body.includes('"attempt"') ? ofAttempt(each, 1) : each)),
  ],
  [
    'attempts rise',
    'a change by the driver of an earlier attempt',
    (all) => {
      const [early, late] = [at(all, 'ANALYZING'), at(all, 'EVALUATING')];
      return all.with(late, { ...all[late], headers: { ...all[late].headers, 'Hifi-Note': note(all[early], 2) } });
    },
  ],
  [
    'latest attempt',
    'a change of an older attempt after a newer one began',
    (all) => all.map((each) => (each.body.includes('EVALUATING') ? ofAttempt(each, 1) : each)),
  ],
  ['results once', 'a repeated result', (all) => inserted(all, at(all, 'SUCCEEDED'), all[at(all, '"part-1"')])],
  ['results once', 'a repeated epoch', (all) => inserted(all, at(all, '"part-1"'), all[at(all, '"epoch":2')])],
];

const note = (message: Recorded, attempt: number) => ofAttempt(message, attempt).headers['Hifi-Note'];

test.each(PLANTED)('%s: %s is found', (rule, _, plant) => {
  const found = faultsIn(plant(jobs));
  expect(found.map((each) => each.rule)).toContain(rule);
});

test('leases disjoint: a lease that another gateway takes too early is found', () => {
  const taken = leases.findIndex(({ body }) => body && body !== leases[0].body);
  const early = leases.with(taken, { ...leases[taken], time: leases[taken - 1].time + LEASE_MS - 1 });
  expect(leaseFaults(early, LEASE_MS)).toMatchObject([{ rule: 'leases disjoint' }]);
});

test('each rule has a planted violation', () => {
  expect(new Set([...PLANTED.map(([rule]) => rule), 'leases disjoint'])).toEqual(new Set(RULES));
});
