import { pino } from 'pino';
import { OutboxLog } from '../../gateway/outbox-log';

const EVENT = {
  jobId: 'one',
  sequence: 7,
  time: 0,
  event: { kind: 'state' as const, state: 'TRAINING' as const },
};
const CHANNEL = { streams: ['HIFI_EVENTS'], lacks: [], discards: [], send: jest.fn() };

let lines: { msg: string; [name: string]: unknown }[];
let log: OutboxLog;

beforeEach(() => {
  jest.useFakeTimers({ now: 0, doNotFake: ['nextTick', 'setImmediate'] });
  lines = [];
  log = new OutboxLog(pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) }), 'nats:4222');
});
afterEach(() => jest.useRealTimers());

/** Advances the clock by some seconds, and runs an action in each. */
function seconds(count: number, each: (second: number) => void): void {
  for (let second = 0; second < count; second++) {
    each(second);
    jest.advanceTimersByTime(1000);
  }
}

test('ten minutes of one refusal give one line, and their end another', () => {
  seconds(600, () => log.waits(new Error('refused'), EVENT));
  log.published(CHANNEL);
  expect(lines).toEqual([
    expect.objectContaining({ msg: 'events wait for NATS', reason: 'refused', job: 'one', sequence: 7, kind: 'state' }),
    expect.objectContaining({ msg: 'events are published', streams: ['HIFI_EVENTS'] }),
  ]);
});

test('alternating success and refusal for ten minutes, and endless reasons, give few lines', () => {
  seconds(600, () => {
    log.published(CHANNEL);
    log.waits(new Error('lost'), EVENT);
  });
  expect(lines.length).toBeGreaterThan(2);
  expect(lines.length).toBeLessThan(50);
  lines.length = 0;
  seconds(600, (second) => log.waits(new Error(`refused at ${second}`), EVENT));
  expect(lines.length).toBeLessThan(15);
});

test('an outage soon after another one is logged when it lasts', () => {
  log.waits(new Error('lost'), undefined);
  log.published(CHANNEL);
  seconds(31, () => log.waits(new Error('lost'), EVENT));
  expect(lines.map(({ msg }) => msg)).toEqual(['events wait for NATS', 'events are published', 'events wait for NATS']);
});

test('skipped events are counted', () => {
  const over = { bytes: 5000, limit: 4096, limitOf: "the NATS server's max_payload" };
  seconds(31, () => log.tooLarge(EVENT, over));
  log.tooLarge(EVENT, over);
  log.close();
  expect(lines).toEqual([
    expect.objectContaining({
      reason: "it has 5000 bytes, over the NATS server's max_payload of 4096",
      ...{ job: 'one', sequence: 7, bytes: 5000, limit: 4096 },
    }),
    expect.objectContaining({ othersBefore: 29 }),
    expect.objectContaining({ msg: 'events are not published', others: 1 }),
  ]);
});
