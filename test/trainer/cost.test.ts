import { interpolate } from '../../trainer/cost';

test('interpolates a cost linearly between two lengths and proportionally beyond them', () => {
  const points = [
    { at: 100, seconds: 5 },
    { at: 10, seconds: 1 },
    { at: 40, seconds: 2 },
  ];
  const expected = [
    [5, 0.5],
    [10, 1],
    [25, 1.5],
    [40, 2],
    [70, 3.5],
    [100, 5],
    [200, 10],
  ];
  for (const [at, seconds] of expected) expect(interpolate(points, at)).toBeCloseTo(seconds, 12);
  expect(interpolate([{ at: 1, seconds: 3 }], 1)).toBe(3);
});
