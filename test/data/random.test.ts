import fc from 'fast-check';
import { randomStream } from '../../data/random';

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

/** Pearson's χ² of counts against equal shares. */
const chiSquare = (counts: number[]) => {
  const expected = counts.reduce((a, b) => a + b, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
};

const tally = (cells: number, draws: number, draw: () => number) => {
  const counts = new Array<number>(cells).fill(0);
  for (let i = 0; i < draws; i++) counts[draw()]++;
  return counts;
};

describe('randomStream', () => {
  it('gives the same draws for the same seed and purpose, whatever else is drawn', () => {
    fc.assert(
      fc.property(seeds, fc.string(), (seed, purpose) => {
        const [a, b, other] = [randomStream(seed, purpose), randomStream(seed, purpose), randomStream(seed, 'other!')];
        const draws = (stream: typeof a) => [stream.int(1000), stream.uniform(), stream.normal(), ...stream.shuffle(9)];
        other.shuffle(5);
        const first = draws(a);
        other.normal();
        expect(draws(b)).toEqual(first);
      }),
    );
  });

  it('never changes: the first draws of a fixed seed', () => {
    const stream = randomStream(7, 'golden');
    expect([stream.int(1000), stream.int(1000), stream.int(1000)]).toMatchInlineSnapshot(`
[
  105,
  533,
  522,
]
`);
    expect(Array.from(stream.shuffle(8))).toMatchInlineSnapshot(`
[
  3,
  0,
  6,
  2,
  1,
  7,
  4,
  5,
]
`);
  });

  it('gives unrelated draws to other seeds and other purposes', () => {
    const begin = (seed: number, purpose: string) => {
      const stream = randomStream(seed, purpose);
      return Array.from({ length: 4 }, () => stream.int(2 ** 31)).join();
    };
    const begins = [0, 1, 2, 3, 2 ** 31, 2 ** 32 - 1].flatMap((seed) => ['a', 'b', ''].map((p) => begin(seed, p)));
    expect(new Set(begins).size).toBe(begins.length);
    // The seed and the purpose are separated.
    expect(begin(1, '1/x')).not.toBe(begin(11, '/x'));
  });

  it('permutes: each of 0 … n − 1 once; a sample is the head of the permutation', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 200 }), fc.nat(), (seed, n, draw) => {
        const k = n === 0 ? 0 : draw % (n + 1);
        const whole = randomStream(seed, 'p').shuffle(n);
        expect(Array.from(whole).sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(randomStream(seed, 'p').sample(n, k)).toEqual(whole.slice(0, k));
      }),
    );
  });

  // Limits are the 99.9 % points of χ² with one degree of freedom fewer than cells.
  it('draws integers evenly', () => {
    const stream = randomStream(1, 'even');
    expect(chiSquare(tally(10, 20_000, () => stream.int(10)))).toBeLessThan(27.9);
  });

  it('draws uniform numbers of [0, 1) evenly', () => {
    const stream = randomStream(2, 'even');
    expect(chiSquare(tally(20, 20_000, () => Math.floor(stream.uniform() * 20)))).toBeLessThan(43.8);
  });

  it('draws all 24 orders of four evenly', () => {
    const orders = new Map<string, number>();
    for (let seed = 0; seed < 12_000; seed++) {
      const order = randomStream(seed, 'orders').shuffle(4).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    expect(chiSquare([...orders.values()])).toBeLessThan(49.7);
  });

  it('draws normal numbers: mean, variance, skewness, kurtosis and tails', () => {
    const stream = randomStream(3, 'normal');
    const draws = Array.from({ length: 50_000 }, () => stream.normal());
    const moment = (power: number) => draws.reduce((sum, x) => sum + x ** power, 0) / draws.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.018);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.026);
    expect(Math.abs(moment(3))).toBeLessThan(0.07);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.18);
    const beyond = draws.filter((x) => Math.abs(x) > 1.959964).length / draws.length;
    expect(Math.abs(beyond - 0.05)).toBeLessThan(0.004);
  });

  it('refuses a seed that is no whole number, and a sample larger than the dataset', () => {
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53])
      expect(() => randomStream(seed, 'x')).toThrow(/seed must be a whole/);
    expect(() => randomStream(0, 'x').sample(3, 4)).toThrow('4 of 3 rows');
  });
});
