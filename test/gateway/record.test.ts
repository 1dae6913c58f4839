import fc from 'fast-check';
import { after, type Happening, hasEnded, type JobEventRecord, type JobRecord } from '../../gateway/record';
import { JOB_PATH, type JobState } from '../../job/job';

const fresh = (): JobRecord => ({
  id: 'job',
  requestId: 'request',
  state: 'QUEUED',
  attempt: 0,
  epochs: 0,
  artifacts: [],
  warnings: [],
  createTime: 0,
  updateTime: 0,
  sequence: 0,
  progressTime: 0,
});

/** Applies changes to a job, one every ten milliseconds, and collects its events. */
function lived(happenings: readonly Happening[], from = fresh()) {
  let record = from;
  const events: JobEventRecord[] = [];
  for (const [i, happening] of happenings.entries()) {
    const next = after(record, [happening], 1000 + 10 * i);
    record = next.record;
    events.push(...next.events);
  }
  return { record, events };
}

const progress = (done: number): Happening => ({ kind: 'progress', stage: 'train', done, total: 100, unit: 'steps' });
const epoch = (number: number): Happening => ({
  kind: 'epoch',
  epoch: { epoch: number, trainLoss: 1, dev: { accuracy: 0.5 }, seconds: 1 },
});
const artifact = (name: string, sha256 = 'a'): Happening => ({
  kind: 'artifact',
  artifact: { name, sha256, sizeBytes: 1 },
});
const path: Happening[] = JOB_PATH.map((state) => ({ kind: 'state', state }));

test('a job passes through its states and reports each once', () => {
  const { record, events } = lived(path);
  expect(record.state).toBe('SUCCEEDED');
  expect(events.map(({ event }) => (event as { state: JobState }).state)).toEqual(JOB_PATH);
  expect(events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test('a new attempt passes silently through the states that the job has left', () => {
  const interrupted = lived([...path.slice(0, 4), progress(10), epoch(1), artifact('heads.json')]).record;
  const { record, events } = lived(
    [{ kind: 'attempt' }, ...path.slice(0, 4), artifact('heads.json'), epoch(1), epoch(2), ...path.slice(4)],
    interrupted,
  );
  expect(events.map(({ event }) => ('state' in event ? event.state : event.kind))).toEqual([
    'epoch',
    ...JOB_PATH.slice(4),
  ]);
  expect(events[0].sequence).toBe(interrupted.sequence + 1);
  expect(record).toMatchObject({ attempt: 1, epochs: 2, state: 'SUCCEEDED' });
});

test('there are at most four progress events per second', () => {
  const { record, events } = lived(Array.from({ length: 1000 }, (_, i) => progress(i % 100)));
  expect(events).toHaveLength(40);
  const times = events.map(({ time }) => time);
  expect(Math.min(...times.slice(1).map((time, i) => time - times[i]))).toBeGreaterThanOrEqual(250);
  expect(record.progress).toMatchObject({ done: 99 });
});

test('an ended job does not change', () => {
  for (const state of ['SUCCEEDED', 'FAILED', 'CANCELLED'] as const) {
    const ended = lived([
      { kind: 'state', state: 'QUEUED' },
      { kind: 'state', state },
    ]).record;
    const later = lived([...path, epoch(1), artifact('x'), progress(1), { kind: 'state', state: 'CANCELLED' }], ended);
    expect(later.events).toEqual([]);
    expect({ ...later.record, updateTime: 0 }).toEqual({ ...ended, updateTime: 0 });
  }
});

test('a repeated result repositions the earlier one', () => {
  const { record, events } = lived([
    artifact('mask.json', 'a'),
    artifact('mask.json', 'a'),
    artifact('mask.json', 'b'),
  ]);
  expect(record.artifacts).toEqual([{ name: 'mask.json', sha256: 'b', sizeBytes: 1 }]);
  expect(events).toHaveLength(2);
});

test('any changes give sequences without gaps, states that go forward, and nothing after the end', () => {
  const states: JobState[] = [...JOB_PATH, 'FAILED', 'CANCELLED'];
  const happening = fc.oneof(
    fc.constantFrom(...states).map((state): Happening => ({ kind: 'state', state })),
    fc.nat(100).map(progress),
    fc.integer({ min: 1, max: 6 }).map(epoch),
    fc.constantFrom('heads.json', 'delta/delta.json').map((name) => artifact(name)),
    fc.constant<Happening>({ kind: 'attempt' }),
    fc.constant<Happening>({ kind: 'error', error: { code: 13, reason: 'FAILED', message: 'm' } }),
  );
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
      const { record, events } = lived(happenings);
      expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
      expect(record.sequence).toBe(events.length);
      const seen = events.flatMap(({ event }) => (event.kind === 'state' ? [event.state] : []));
      const positions = seen.map((state) => states.indexOf(state));
      expect(positions).toEqual([...positions].sort((a, b) => a - b));
      const end = events.findIndex(({ event }) => event.kind === 'state' && hasEnded(event));
      if (end >= 0) expect(end).toBe(events.length - 1);
    }),
  );
});

test('a clock set back by an hour suppresses no progress', () => {
  const hour = 3600_000;
  const first = after(fresh(), [progress(1)], 2 * hour);
  const second = after(first.record, [progress(2)], hour);
  expect(second.events.map(({ event }) => event)).toEqual([progress(2)]);
  // From then on the interval counts by the new clock.
  expect(after(second.record, [progress(3)], hour + 249).events).toEqual([]);
  expect(after(second.record, [progress(3)], hour + 250).events).toHaveLength(1);
});

test('nothing changes an ended job, including its time', () => {
  const ended = after(fresh(), [{ kind: 'state', state: 'FAILED' }], 1000).record;
  expect(after(ended, [progress(1), { kind: 'state', state: 'SUCCEEDED' }], 2000)).toEqual({
    record: ended,
    events: [],
  });
});
