import fc from 'fast-check';
import { type Interval, IntervalSpans } from '../../../infra/telemetry/intervals';
import { recorder } from './recorder';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const START = Date.UTC(2026, 0, 1);

/** `count` intervals of a name, each of 3 ms, 10 ms after the one before. */
const regular = (name: string, count: number): Interval[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ kind: 'interval', name, from: START + 10 * i, to: START + 10 * i + 3 },
    attributes: { rows: 4, engine: 'onnxruntime' },
  }));

function spansOf(intervals: Interval[], most?: number) {
  const recorded = recorder();
  const spans = new IntervalSpans(recorded, { most, parent: PARENT });
  for (const interval of intervals) spans.add(interval);
  const early = recorded.spans.length;
  spans.end();
  return { spans: recorded.spans, early };
}

it('records each of the first intervals at once, as one span', () => {
  const { spans, early } = spansOf(regular('hifi.forward', 50));
  expect(early).toBe(50);
  expect(spans).toEqual(
    regular('', 50).map(({ from, to, attributes }) => ({
      ...{ name: 'hifi.forward', from, to, parent: PARENT },
      attributes,
    })),
  );
});

it('merges many intervals into at most 100 spans per name, with the sums of time and amounts', () => {
  const [forward, eigenvalues] = [regular('hifi.forward', 200_000), regular('hifi.eigenvalues', 120)];
  const { spans } = spansOf(forward.flatMap((interval, i) => [interval, ...eigenvalues.slice(i, i + 1)]));
  const of = (name: string) => spans.filter((span) => span.name === name);
  expect(of('hifi.forward').length).toBeLessThanOrEqual(100);
  expect(of('hifi.forward').length).toBeGreaterThan(75);
  expect(of('hifi.eigenvalues').length).toBeGreaterThan(50);
  // No span has merged more than a third of the intervals.
  const counts = of('hifi.forward').map(({ attributes }) => Number(attributes?.['hifi.intervals'] ?? 1));
  expect(counts.reduce((sum, count) => sum + count)).toBe(200_000);
  expect(Math.max(...counts)).toBeLessThan(200_000 / 3);
  for (const [i, { from, to, attributes }] of of('hifi.forward').entries()) {
    expect(attributes).toMatchObject({ rows: 4 * counts[i], engine: 'onnxruntime' });
    if (counts[i] === 1) continue;
    expect(attributes?.['hifi.busy_ms']).toBe(3 * counts[i]);
    expect(to - from).toBe(10 * (counts[i] - 1) + 3);
  }
});

it('covers each interval by a span of its name, for any number and order', () => {
  const interval = fc.record({
    kind: fc.constant('interval' as const),
    name: fc.constantFrom('a', 'b'),
    from: fc.integer({ min: START, max: START + 1000 }),
    length: fc.integer({ min: 0, max: 50 }),
  });
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 300 }), fc.integer({ min: 1, max: 12 }), (drawn, most) => {
      const intervals = drawn.map(({ length, ...rest }) => ({ ...rest, to: rest.from + length }));
      const { spans } = spansOf(intervals, most);
      for (const name of ['a', 'b']) {
        const mine = spans.filter((span) => span.name === name);
        expect(mine.length).toBeLessThanOrEqual(most);
        const uncovered = intervals.filter(
          (each) => each.name === name && !mine.some((span) => span.from <= each.from && each.to <= span.to),
        );
        expect(uncovered).toEqual([]);
        const busy = (list: { from: number; to: number }[]) => list.reduce((sum, { from, to }) => sum + to - from, 0);
        const recorded = mine.map((span) => Number(span.attributes?.['hifi.busy_ms'] ?? span.to - span.from));
        expect(recorded.reduce((sum, ms) => sum + ms, 0)).toBe(busy(intervals.filter((each) => each.name === name)));
      }
    }),
  );
});
