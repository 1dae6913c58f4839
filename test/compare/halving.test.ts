import { betterHalf, byQuality, fits, MeasuredCosts, methodsInOrder, rungEnd, rungEpochs } from '../../compare/halving';
import type { Method } from '../../compare/methods';
import type { RunRecord } from '../../compare/run-record';

const run = (contestant: Method, lr: number, value: number | null, loss?: number) => ({
  contestant,
  lr,
  dev: value === null ? null : { value, epoch: 1, ...(loss !== undefined && { loss }) },
});

test.each([
  [84, 15, [1, 3, 7]],
  [84, 5, [1, 2]],
  [84, 4, [1, 2]],
  [84, 3, [1]],
  [84, 1, []],
  [8, 16, [4, 8]],
  [3, 16, [8]],
  [2, 16, []],
  [0, 16, []],
])('%i candidates and %i epochs have rungs of %j', (candidates, epochs, rungs) => {
  expect(rungEpochs(candidates, epochs)).toEqual(rungs);
});

test('a rung keeps the better half without failures, and the best of the reference', () => {
  const runs = [
    run('random', 1, 0.2),
    run('hifi', 1, 0.5),
    run('none', 1, null),
    run('random', 2, 0.1),
    run('hifi', 2, 0.7),
    run('full', 1, 0.5),
  ];
  expect(byQuality(runs)).toEqual([runs[4], runs[1], runs[5], runs[0], runs[3]]);
  expect(betterHalf(runs, 'full')).toEqual([runs[4], runs[1], runs[5]]);
  expect(betterHalf(runs, 'random')).toEqual([runs[4], runs[1], runs[5], runs[0]]);
  expect(betterHalf(runs.slice(0, 3), 'none')).toEqual([runs[1], runs[0]]); // two are few
  expect(betterHalf([runs[2]], 'none')).toEqual([]);
  // The loss decides if the metric is undefined on the dev rows.
  const byLoss = [run('hifi', 1, 0, 0.4), run('hifi', 2, 0, 0.3), run('full', 1, 0, 0.5)];
  expect(byQuality(byLoss)).toEqual([byLoss[1], byLoss[0], byLoss[2]]);
});

test('whole runs begin with the best candidate, then the reference', () => {
  const ranked = [run('hifi', 2, 1), run('full', 1, 1), run('hifi', 1, 1), run('random', 3, 1)];
  expect(methodsInOrder(ranked, 'random')).toEqual([
    { method: 'hifi', lrs: [2, 1] },
    { method: 'random', lrs: [3] },
    { method: 'full', lrs: [1] },
  ]);
  expect(methodsInOrder([{ contestant: 'logistic', lr: null }], 'random')).toEqual([{ method: 'logistic', lrs: [] }]);
});

test('a rung has an equal share of what remains for it, later rungs and all seeds', () => {
  const clock = { now: () => 100, end: 700 };
  expect(rungEnd(clock, 3, 3)).toBe(200);
  expect(rungEnd(clock, 1, 1)).toBe(400);
});

test('a run starts if its cost is not known, or fits', () => {
  expect([fits(undefined, 10, 20), fits(10, 10, 20), fits(10.1, 10, 20)]).toEqual([true, true, false]);
  expect([fits(undefined, 20, 20), fits(0, 20, 20)]).toEqual([false, false]);
});

test('costs are the longest selection, and the longest training of the most epochs, in proportion', () => {
  const costs = new MeasuredCosts();
  const ended = (contestant: Method, seconds: RunRecord['seconds'], tested = false) =>
    ({ contestant, seconds, test: tested ? { rows: 1, metrics: {} } : null }) as RunRecord;
  expect([costs.training('hifi', 4), costs.test('hifi')]).toEqual([undefined, 0]);
  costs.add(ended('hifi', { selection: 2, run: 4, test: 0 }), 1);
  costs.add(ended('hifi', { selection: 2, run: 3, test: 0 }), 1);
  expect(costs.training('hifi', 4)).toBe(2 + 4 * 4);
  costs.add(ended('hifi', { selection: 2, run: 6, test: 5 }, true), 2);
  expect([costs.training('hifi', 4), costs.training('full', 4)]).toEqual([2 + 2 * 6, undefined]);
  // Before its own test a method is expected to take the longest of the others.
  expect([costs.test('hifi'), costs.test('full')]).toEqual([5, 5]);
});
