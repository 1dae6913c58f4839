import { StageMeter } from '../../foundation/progress';

it('computes rate and remaining time from the work of this run', async () => {
  const meter = new StageMeter('train', 300, 'steps', 100);
  expect(meter.at(100)).toEqual({ kind: 'progress', stage: 'train', done: 100, total: 300, unit: 'steps' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { rate, remainingSeconds, loss } = meter.at(150, { loss: 0.5 });
  expect(rate).toBeGreaterThan(0);
  expect(rate).toBeLessThanOrEqual(50 / 0.019);
  expect(remainingSeconds! * rate!).toBeCloseTo(150);
  expect(loss).toBe(0.5);
});

it('returns the first and the last event, and few between', () => {
  const meter = new StageMeter('encode', 1000, 'rows');
  const events = Array.from({ length: 1001 }, (_, done) => meter.due(done)).flat();
  expect(events[0].done).toBe(0);
  expect(events.at(-1)!.done).toBe(1000);
  expect(events.length).toBeLessThan(100);
});
