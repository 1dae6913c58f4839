import { byScore } from '../../heads/score-order';

describe('byScore', () => {
  it('treats scores within 1e-8 of the best of their group as equal', () => {
    expect(byScore([0.1, 0.2, 0.2 + 0.9e-8, 0.3])).toEqual([3, 1, 2, 0]);
    expect(byScore([0.1, 0.2, 0.2 + 1.1e-8, 0.3])).toEqual([3, 2, 1, 0]);
    expect(byScore([0.5, 0.5 - 0.9e-8, 0.4], { lowestFirst: true })).toEqual([2, 0, 1]);
  });

  it('of scores of any scale, those within a share of the best tie', () => {
    const small = [1e-9, 2e-9, 2e-9 * (1 + 0.9e-8), 5e4];
    expect(byScore(small, { anyScale: true })).toEqual([3, 1, 2, 0]);
    expect(byScore(small)).toEqual([3, 0, 1, 2]);
  });

  it('sorts more equal scores than a call takes arguments', () => {
    expect(byScore(new Array(200_000).fill(0)).slice(-1)).toEqual([199_999]);
  });

  it('reads a chain of near ties from the top', () => {
    // 0 and 2 tie with 1 but not with each other: the best, 0, gathers 1; 2 comes after.
    const chain = [1, 1 - 0.8e-8, 1 - 1.6e-8];
    expect(byScore(chain)).toEqual([0, 1, 2]);
    expect(byScore([chain[2], chain[1], chain[0]])).toEqual([1, 2, 0]);
  });
});
