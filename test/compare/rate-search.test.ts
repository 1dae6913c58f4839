import { bestOf, ratesAfter } from '../../compare/rate-search';

/** Search in which `curve` gives a learning rate's dev metric; null if its training fails. */
function search(lrs: readonly number[], curve: (lr: number) => number | null) {
  const tried: { lr: number; dev: { value: number; epoch: number } | null }[] = [];
  for (let next = ratesAfter(lrs, tried); next.length > 0; next = ratesAfter(lrs, tried)) {
    const value = curve(next[0]);
    tried.push({ lr: next[0], dev: value === null ? null : { value, epoch: 1 } });
  }
  return { rates: tried.map(({ lr }) => lr), best: bestOf(tried)?.lr };
}

const grid = [1e-4, 3e-4, 1e-3];
const near = (peak: number) => (lr: number) => -Math.abs(Math.log(lr / peak));

test.each([
  ['inside', near(3e-4), grid, 3e-4],
  ['above', near(9e-3), [...grid, 0.00333, 0.0111, 0.037], 0.0111],
  ['below', near(3e-5), [...grid, 3.33e-5, 1.11e-5], 3.33e-5],
  ['far above: three further rates at most', near(1), [...grid, 0.00333, 0.0111, 0.037], 0.037],
  ['at the end, beyond which the training fails', (lr: number) => (lr > 1e-3 ? null : lr), [...grid, 0.00333], 1e-3],
  ['nowhere: every rate fails', () => null, grid, undefined],
])('a best rate %s', (_, curve, rates, best) => {
  expect(search(grid, curve)).toEqual({ rates, best });
});

test('the order of the list does not matter, and one or two rates are no grid', () => {
  expect(search([1e-3, 1e-4, 3e-4], near(2e-3)).rates).toEqual([1e-3, 1e-4, 3e-4, 0.00333, 0.0111]);
  expect(search([1e-3], near(1)).rates).toEqual([1e-3]);
  expect(search([1e-3, 3e-3], near(1)).rates).toEqual([1e-3, 3e-3]);
});
