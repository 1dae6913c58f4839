import { headGroups } from '../../heads/head-groups';

const tuned = [
  { layer: 1, head: 0 },
  { layer: 1, head: 4 },
  { layer: 2, head: 3 },
];
const scores = [
  [9, 9, 9, 9, 9, 9],
  [0.1, 0.4, 0.2, 0.3, 0.0, 0.2],
  [0.6, 0.1, 0.2, 0.0, 0.3, 0.4],
];
const countOf = (heads: readonly { layer: number }[]) =>
  [0, 1, 2].map((layer) => heads.filter((each) => each.layer === layer).length);
const named = (heads: readonly { layer: number; head: number }[]) => heads.map(({ layer, head }) => `${layer}.${head}`);

test('every group has as many heads of a layer as are tuned there, and none of the tuned ones', () => {
  const { drawn, last } = headGroups(tuned, 6, { draws: 50, seed: 0, scores });
  expect(drawn).toHaveLength(50);
  for (const group of [...drawn, last!]) {
    expect(countOf(group)).toEqual([0, 2, 1]);
    expect(named(group).filter((each) => named(tuned).includes(each))).toEqual([]);
    expect(new Set(named(group)).size).toBe(3);
    expect(group).toEqual(group.toSorted((a, b) => a.layer - b.layer || a.head - b.head));
  }
  // Of the others; the lower head of two equal ones.
  expect(named(last!)).toEqual(['1.2', '1.5', '2.1']);
});

test('draws depend on the seed and reach every other head', () => {
  const of = (seed: number) => headGroups(tuned, 6, { draws: 50, seed }).drawn.map(named);
  expect(of(3)).toEqual(of(3));
  expect(of(3)).not.toEqual(of(4));
  expect(new Set(of(3).flat())).toEqual(new Set(['1.1', '1.2', '1.3', '1.5', '2.0', '2.1', '2.2', '2.4', '2.5']));
});

test('a layer with fewer others than tuned heads leaves nothing to draw', () => {
  const most = [0, 1, 2, 3].map((head) => ({ layer: 0, head }));
  expect(headGroups(most, 6, { draws: 5, seed: 0, scores })).toEqual({ tuned: most, drawn: [] });
  expect(headGroups(most, 8, { draws: 5, seed: 0 }).drawn).toEqual(
    Array(5).fill([4, 5, 6, 7].map((head) => ({ layer: 0, head }))),
  );
});
