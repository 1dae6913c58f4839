import { TrainingWindows, type TrainingWindowsSettings } from '../../../infra/telemetry/training-windows';
import { recorder } from './recorder';

const START = Date.UTC(2026, 0, 1);
const SECOND = 1000;
const DAY = 86_400 * SECOND;

/** Training whose clock the test advances. */
function simulated(settings: TrainingWindowsSettings = {}) {
  const recorded = recorder();
  let now = START;
  let done = 0;
  let tokens = 0;
  const windows = new TrainingWindows(recorded, { now: () => now, ...settings });
  return {
    spans: recorded.spans,
    windows,
    /** Step of this duration. */
    step(ms: number, loss?: number) {
      now += ms;
      windows.add({ kind: 'progress', stage: 'train', done: ++done, total: 1e9, loss, tokens: (tokens += 100) });
    },
    /** Progress of another stage. */
    other(ms: number, stage = 'evaluate') {
      now += ms;
      windows.add({ kind: 'progress', stage, done: 1, total: 1 });
    },
    /** Sets the steps that a resumed training starts from. */
    from(steps: number) {
      done = steps;
    },
  };
}

it('records steps, losses, tokens per second and memory of a window', () => {
  const memory = jest.fn(() => 3e9);
  const training = simulated({ memory, parent: 'the phase' });
  for (const loss of [0.9, 0.4, 0.5, 0.2]) training.step(250, loss);
  expect(training.spans).toEqual([
    {
      ...{ name: 'hifi.train.window', from: START, to: START + 1000, parent: 'the phase' },
      attributes: {
        'hifi.steps': 4,
        ...{ 'hifi.loss.first': 0.9, 'hifi.loss.last': 0.2, 'hifi.loss.mean': 0.5 },
        'hifi.tokens_per_second': 400,
        'hifi.memory_bytes': 3e9,
      },
    },
  ]);
  expect(memory).toHaveBeenCalledTimes(1);
});

it('records consecutive windows without a gap, and the last one at the end', () => {
  const training = simulated();
  for (let i = 0; i < 27; i++) training.step(100);
  training.windows.end();
  expect(training.spans.map(({ from, to }) => [from - START, to - START])).toEqual([
    [0, 1000],
    [1000, 2000],
    [2000, 2700],
  ]);
  expect(training.spans[2].attributes).toEqual({ 'hifi.steps': 7, 'hifi.tokens_per_second': expect.closeTo(1000, 6) });
  training.windows.end();
  expect(training.spans).toHaveLength(3);
});

it.each([
  ['a minute', 60 * SECOND, 40],
  ['an hour', 3600 * SECOND, 100],
  ['a day', DAY, 100],
  ['a month', 30 * DAY, 8 * SECOND],
  ['three years', 1000 * DAY, 600 * SECOND],
])(
  'records at most 300 windows for %s, each of a second or longer and short beside the training',
  (_, length, step) => {
    const training = simulated();
    for (let time = 0; time < length; time += step) training.step(step, 1);
    training.windows.end();
    const { spans } = training;
    expect(spans.length).toBeLessThanOrEqual(300);
    expect(spans.length).toBeGreaterThan(30);
    expect(spans.reduce((sum, { attributes }) => sum + Number(attributes?.['hifi.steps']), 0)).toBe(length / step);
    expect([spans[0].from, spans[spans.length - 1].to]).toEqual([START, START + length]);
    for (const [i, { from, to }] of spans.entries()) {
      if (i > 0) expect(from).toBe(spans[i - 1].to);
      if (i < spans.length - 1) expect(to - from).toBeGreaterThanOrEqual(SECOND);
      expect(to - from).toBeLessThanOrEqual(SECOND + step + length / 3);
    }
  },
);

it('leaves time before the first step out of windows, and time between epochs out of the speed', () => {
  const training = simulated();
  training.other(5000, 'prefix');
  training.step(500);
  // Evaluation of an epoch: its first event ends the steps, its last one precedes the next step.
  training.other(0);
  training.other(9000);
  training.step(500);
  expect(training.spans).toEqual([
    {
      ...{ name: 'hifi.train.window', from: START + 5000, to: START + 15_000, parent: null },
      attributes: { 'hifi.steps': 2, 'hifi.tokens_per_second': 200 },
    },
  ]);
});

it('records at most 300 windows for all attempts of a training', () => {
  let before = { windows: 0, milliseconds: 0 };
  let count = 0;
  for (let attempt = 0; attempt < 20; attempt++) {
    const training = simulated({ before, onWindow: (soFar) => (before = soFar) });
    training.from(360 * attempt);
    for (let i = 0; i < 360; i++) training.step(10 * SECOND);
    training.windows.end();
    count += training.spans.length;
    expect(training.spans[0].attributes).toMatchObject({ 'hifi.steps': expect.any(Number) });
    expect(training.spans.reduce((sum, { attributes }) => sum + Number(attributes?.['hifi.steps']), 0)).toBe(360);
  }
  expect(before).toEqual({ windows: count, milliseconds: 20 * 3600 * SECOND });
  expect(count).toBeLessThanOrEqual(300);
  const late = simulated({ before: { windows: 300, milliseconds: DAY } });
  late.step(DAY);
  late.windows.end();
  expect(late.spans).toEqual([]);
});
