import { rowPairs } from '../../trainer/row-pairs';

const classes = [0, 1, 0, 2, 1, 0, 0];

const pairsOf = (of: number[], epoch = 0, seed = 0) => {
  const { rows, similar } = rowPairs(of, { seed, epoch });
  return Array.from(similar, (same, i) => ({ a: rows[2 * i], b: rows[2 * i + 1], same }));
};

test('each row has four partners of its class and four of others', () => {
  const pairs = pairsOf(classes);
  expect(pairs).toHaveLength(8 * classes.length);
  for (const { a, b, same } of pairs) expect(classes[a] === classes[b]).toBe(same === 1);
  classes.forEach((name, row) => {
    const own = pairs.filter(({ a }) => a === row);
    expect(own.filter(({ same }) => same === 1)).toHaveLength(4);
    expect(own.filter(({ same }) => same === 0)).toHaveLength(4);
    // A row is its own partner only if it is alone in its class.
    expect(own.some(({ b }) => b === row)).toBe(name === 2);
  });
});

test('every partner occurs, equally often', () => {
  const counts = new Map<string, number>();
  for (let epoch = 0; epoch < 400; epoch++) {
    for (const { a, b } of pairsOf(classes, epoch)) counts.set(`${a} ${b}`, (counts.get(`${a} ${b}`) ?? 0) + 1);
  }
  for (let a = 0; a < classes.length; a++) {
    for (let b = 0; b < classes.length; b++) {
      if (a === b && classes[a] !== 2) continue;
      const kind = classes.filter((name, row) => (name === classes[a]) === (classes[b] === classes[a]) && row !== a);
      const expected = 1600 / Math.max(1, kind.length);
      // Five standard deviations of a binomial count.
      expect(Math.abs(counts.get(`${a} ${b}`)! - expected)).toBeLessThanOrEqual(5 * Math.sqrt(expected));
    }
  }
});

test('the pairs depend on seed and epoch alone; one class has no others', () => {
  expect(pairsOf(classes, 3, 5)).toEqual(pairsOf(classes, 3, 5));
  expect(pairsOf(classes, 3, 5)).not.toEqual(pairsOf(classes, 4, 5));
  expect(pairsOf(classes, 3, 5)).not.toEqual(pairsOf(classes, 3, 6));
  expect(pairsOf([1, 1]).map(({ a, b }) => b - a)).toEqual([1, 1, 1, 1, -1, -1, -1, -1]);
});
