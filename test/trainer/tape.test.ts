import { randomStream } from '../../data/random';
import { loadTensorFlow } from '../../infra/tensorflow';
import type { Activation } from '../../model/operations';
import { joinHeads, scores, softmax, splitHeads, weightedSum } from '../../trainer/attention';
import { convolve } from '../../trainer/convolution';
import { addDistanceBias } from '../../trainer/distance-bias';
import { addDistanceScores } from '../../trainer/distance-scores';
import { activate, add, addConstant, multiply, multiplyBy } from '../../trainer/elementwise';
import { layerNorm } from '../../trainer/layer-norm';
import { addBias, linear } from '../../trainer/linear';
import { MASKED } from '../../trainer/network';
import { Ops, type Tensor } from '../../trainer/ops';
import { type Part, partOf } from '../../trainer/part';
import { repeatHeads } from '../../trainer/repeat-heads';
import { rmsNorm } from '../../trainer/rms-norm';
import { rotary, turnByPlace } from '../../trainer/rotary';
import { Session } from '../../trainer/session';
import { Tape } from '../../trainer/tape';
import { allPlaces, firstToken, lastPlaces, lastToken, meanToken, tableRows } from '../../trainer/tokens';

const tf = loadTensorFlow();

/** An operation on inputs of these shapes; `wanted` are those that it is differentiated by. */
interface Case {
  shapes: number[][];
  wanted: number[];
  /**
   * @param batch B // [1]
   * @param mask {@link MASK} // [B, 1, 1, S]
   */
  build(tape: Tape, inputs: Tensor[], batch: Tensor, mask: Tensor): Tensor;
  /** Values of inputs that are no random numbers. */
  values?: Record<number, number[]>;
}

const activation = (kind: Activation): Case => ({
  shapes: [[3, 5]],
  wanted: [0],
  build: (tape, [x]) => activate(tape, x, kind),
});

/** B = 2, S = 3, H = 4, dh = 2, d = 8. */
const CASES: Record<string, Case> = {
  'linear, x·Wᵀ + b': {
    shapes: [[6, 8], [5, 8], [5]],
    wanted: [0, 1, 2],
    build: (tape, [x, tensor, bias]) => addBias(tape, linear(tape, x, { tensor, transposed: false }), bias),
  },
  'linear, W transposed, no bias': {
    shapes: [
      [6, 8],
      [8, 5],
    ],
    wanted: [0, 1],
    build: (tape, [x, tensor]) => linear(tape, x, { tensor, transposed: true }),
  },
  'layer norm': {
    shapes: [[6, 8], [8], [8]],
    wanted: [0, 1, 2],
    build: (tape, [x, scale, offset]) => layerNorm(tape, x, { scale, offset, epsilon: 1e-5 }),
  },
  'layer norm without an offset': {
    shapes: [[6, 8], [8]],
    wanted: [0, 1],
    build: (tape, [x, scale]) => layerNorm(tape, x, { scale, epsilon: 1e-5 }),
  },
  'root mean square norm': {
    shapes: [[6, 8], [8]],
    wanted: [0, 1],
    build: (tape, [x, scale]) => rmsNorm(tape, x, { scale, epsilon: 1e-5 }),
  },
  'root mean square norm of heads': {
    shapes: [[2, 4, 3, 6], [6]],
    wanted: [0, 1],
    build: (tape, [x, scale]) => rmsNorm(tape, x, { scale, epsilon: 1e-5 }),
  },
  gelu: activation('gelu'),
  gelu_new: activation('gelu_new'),
  quick_gelu: activation('quick_gelu'),
  silu: activation('silu'),
  relu: activation('relu'),
  tanh: activation('tanh'),
  sum: {
    shapes: [
      [6, 8],
      [6, 8],
    ],
    wanted: [0, 1],
    build: (tape, [a, b]) => add(tape, a, b),
  },
  'sum of a value with itself': { shapes: [[6, 8]], wanted: [0], build: (tape, [a]) => add(tape, a, a) },
  product: {
    shapes: [
      [6, 8],
      [6, 8],
    ],
    wanted: [0, 1],
    build: (tape, [a, b]) => multiply(tape, a, b),
  },
  'product with a constant': {
    shapes: [
      [6, 8],
      [6, 8],
    ],
    wanted: [0],
    build: (tape, [a, factors]) => multiplyBy(tape, a, factors),
  },
  'sum with a broadcast constant': {
    shapes: [
      [2, 4, 3, 3],
      [2, 1, 1, 3],
    ],
    wanted: [0],
    build: (tape, [a, mask]) => addConstant(tape, a, mask),
  },
  'first tokens beside another use of the rows': {
    shapes: [[6, 8]],
    wanted: [0],
    build: (tape, [x], batch) => {
      const all = activate(tape, x, 'tanh');
      const first = firstToken(tape, x, batch); // [2, 8]
      return linear(tape, first, { tensor: all, transposed: false }); // [2, 6]
    },
  },
  'first tokens alone': {
    shapes: [[6, 8]],
    wanted: [0],
    build: (tape, [x], batch) => firstToken(tape, x, batch),
  },
  'mean of the real tokens': {
    shapes: [[6, 8]],
    wanted: [0],
    build: (tape, [x], _, mask) => meanToken(tape, x, mask),
  },
  'last real tokens beside another use of the rows': {
    shapes: [[6, 8]],
    wanted: [0],
    build: (tape, [x], _, mask) => {
      const all = activate(tape, x, 'tanh');
      return linear(tape, lastToken(tape, x, mask), { tensor: all, transposed: false }); // [2, 6]
    },
  },
  'scores without the tokens after a query': {
    shapes: [[2, 4, 3, 3]],
    wanted: [0],
    build: (tape, [x], _, mask) =>
      softmax(tape, addConstant(tape, x, tape.ops.aboveDiagonal(tape.ops.size(mask, 3), MASKED))),
  },
  'rows of a table': {
    shapes: [[7, 5], [6]],
    wanted: [0],
    values: { 1: [0, 3, 3, 6, 1, 3] },
    build: (tape, [table, numbers]) => tableRows(tape, table, numbers, undefined),
  },
  'heads, split and joined': {
    shapes: [[6, 8]],
    wanted: [0],
    build: (tape, [x], batch) => joinHeads(tape, activate(tape, splitHeads(tape, x, batch, 2), 'tanh'), batch),
  },
  'rotary positions': {
    shapes: [[2, 4, 3, 6]],
    wanted: [0],
    build: (tape, [x], _, mask) => rotary(tape, x, turnByPlace(tape.ops, [1, 0.3, 0.05], allPlaces(tape.ops, mask))),
  },
  'rotary positions of the last tokens': {
    shapes: [[2, 4, 1, 6]],
    wanted: [0],
    build: (tape, [x], _, mask) => rotary(tape, x, turnByPlace(tape.ops, [1, 0.3, 0.05], lastPlaces(tape.ops, mask))),
  },
  'repeated heads': {
    shapes: [[2, 2, 3, 2]],
    wanted: [0],
    build: (tape, [x], batch) => joinHeads(tape, repeatHeads(tape, x, 3, batch), batch),
  },
  scores: {
    shapes: [
      [2, 4, 1, 2],
      [2, 4, 3, 2],
    ],
    wanted: [0, 1],
    build: (tape, [query, key]) => scores(tape, query, key),
  },
  softmax: { shapes: [[2, 4, 3, 3]], wanted: [0], build: (tape, [x]) => softmax(tape, x) },
  'weighted sum': {
    shapes: [
      [2, 4, 3, 3],
      [2, 4, 3, 2],
    ],
    wanted: [0, 1],
    build: (tape, [probabilities, value]) => weightedSum(tape, probabilities, value),
  },
  // Heads in the order 2, 0, 3, 1; two queries, three keys; rows of a table of 5.
  'numbers by distance': {
    shapes: [
      [2, 4, 2, 3],
      [5, 4],
    ],
    wanted: [0, 1],
    build: (tape, [all, table]) => {
      const rows = tape.ops.integers([2, 1, 0, 3, 2, 1]);
      return addDistanceBias(tape, all, table, { rows, columns: [2, 0, 3, 1], queries: tape.ops.integers([2]) });
    },
  },
  'products of queries with the rows of distances': distanceScores(2, 3, false),
  'products of one query with the rows of distances': distanceScores(1, 3, false),
  'products of keys with the rows of distances': distanceScores(3, 2, true),
  'products of keys with the rows of distances to one query': distanceScores(3, 1, true),
  convolution: {
    shapes: [[6, 5], [4, 5, 3], [4], [2, 3, 1]],
    wanted: [0, 1, 2],
    values: { 3: [1, 1, 1, 1, 1, 0] },
    build: (tape, [x, weight, bias, real], batch) => convolve(tape, x, { weight, bias, real, batch }),
  },
};

/** Products of `count` tokens with rows of a table of 7, for distances to `others` tokens. */
function distanceScores(count: number, others: number, byKey: boolean): Case {
  return {
    shapes: [
      [2, 4, ...(byKey ? [others, count] : [count, others])],
      [2, 4, count, 2],
      [7, 8],
    ],
    wanted: [0, 1, 2],
    build: (tape, [all, x, rows]) => {
      const { ops } = tape;
      const at = ops.integers(Array.from({ length: count + others }, (_, i) => [6, 0, 3, 3, 5][i]));
      const sizes = { count: ops.integers([count]), others: ops.integers([others]) };
      return addDistanceScores(tape, all, x, rows, { at, byKey, ...sizes });
    },
  };
}

/** The second sequence has one token of padding. */
const MASK = { values: Float32Array.of(0, 0, 0, 0, 0, MASKED), shape: [2, 1, 1, 3] };

/** A graph with the operation, and Σ c ⊙ output as its loss. */
function graphOf({ shapes, values = {}, build }: Case) {
  const random = randomStream(3, 'tape');
  const numbers = (length: number) => Float32Array.from({ length }, () => random.normal());
  const ops = new Ops();
  const inputs = shapes.map((shape, i) => ops.input(`x${i}`, 'float32', shape));
  const given = shapes.map((shape, i) =>
    values[i] ? Float32Array.from(values[i]) : numbers(shape.reduce((product, size) => product * size, 1)),
  );
  const tape = new Tape(ops);
  const mask = ops.input('mask', 'float32', [null, 1, 1, null]);
  const output = build(tape, inputs, ops.size(mask, 0), mask);
  const weights = ops.input('c', 'float32', output.shape);
  const feed = (at: readonly Float32Array[]) => [
    ...inputs.map((input, i) => [input, { values: at[i], shape: shapes[i] }] as const),
    [mask, MASK] as const,
  ];
  const byOutput = ops.scale(weights, 1); // a graph cannot return what it was given
  return { ops, tape, inputs, given, output, weights, byOutput, feed, numbers };
}

describe('gradients by central differences', () => {
  it.each(Object.entries(CASES))('%s', (_, each) => {
    const { ops, tape, inputs, given, output, weights, byOutput, feed, numbers } = graphOf(each);
    const gradients = tape.gradients(
      output,
      byOutput,
      each.wanted.map((i) => [inputs[i], 'all'] as const),
    );
    const session = new Session(tf, ops);
    const [first] = session.run(feed(given), [output]);
    const c = numbers(first.values().length);
    const known = output.shape.reduce<number>((product, size) => product * (size ?? 1), 1);
    const shape = output.shape.map((size) => size ?? c.length / known); // at most one is unknown
    first.dispose();
    const loss = (at: readonly Float32Array[]) => {
      const values = session.read(feed(at), output);
      return values.reduce((sum, value, i) => sum + value * c[i], 0);
    };
    for (const i of each.wanted) {
      const gradient = session.read([...feed(given), [weights, { values: c, shape }]], gradients.get(inputs[i].name)!);
      expect(gradient).toHaveLength(given[i].length);
      for (let direction = 0; direction < 3; direction++) {
        const way = numbers(given[i].length);
        const moved = (epsilon: number) =>
          loss(given.map((values, at) => (at === i ? values.map((value, k) => value + epsilon * way[k]) : values)));
        const epsilon = 0.004;
        const slope = (moved(epsilon) - moved(-epsilon)) / (2 * epsilon);
        const expected = gradient.reduce((sum, value, k) => sum + value * way[k], 0);
        const scale = Math.hypot(...gradient) * Math.hypot(...way);
        expect(Math.abs(slope - expected) / scale).toBeLessThan(1e-3);
      }
    }
    session.close();
  });
});

it("leaves the padding token's row of a table without a gradient", () => {
  const each: Case = { ...CASES['rows of a table'], build: (tape, [table, at]) => tableRows(tape, table, at, 3) };
  const { ops, tape, inputs, given, output, weights, feed } = graphOf(each);
  const gradient = tape.gradients(output, weights, [[inputs[0], 'all']]).get(inputs[0].name)!;
  const session = new Session(tf, ops);
  const c = { values: Float32Array.from({ length: 30 }, (_, i) => i + 1), shape: [6, 5] };
  const values = session.read([...feed(given), [weights, c]], gradient);
  session.close();
  const rows = Array.from({ length: 7 }, (_, row) => Array.from(values.subarray(row * 5, row * 5 + 5)));
  const none = [0, 0, 0, 0, 0];
  expect(rows).toEqual([[1, 2, 3, 4, 5], [21, 22, 23, 24, 25], none, none, none, none, [16, 17, 18, 19, 20]]);
});

it("takes no padding into the mean of a sequence's tokens", () => {
  const { ops, output, feed, given } = graphOf(CASES['mean of the real tokens']);
  const session = new Session(tf, ops);
  const means = session.read(feed(given), output); // [2, 8]
  session.close();
  const token = (i: number) => Array.from(given[0].subarray(i * 8, (i + 1) * 8));
  const expected = [
    ...token(0).map((value, k) => (value + token(1)[k] + token(2)[k]) / 3),
    ...token(3).map((value, k) => (value + token(4)[k]) / 2),
  ];
  for (const [i, value] of expected.entries()) expect(means[i]).toBeCloseTo(value, 6);
});

describe('parts', () => {
  /** Attention on rows that are not trained: W_Q, W_K and W_V of some heads are. */
  const attention = (parts: Part[]) => {
    const shapes = [
      [6, 8],
      [8, 8],
      [8, 8],
      [8, 8],
      [8, 5],
    ];
    const { ops, tape, given, inputs, output, weights, feed, numbers } = graphOf({
      shapes,
      wanted: [],
      build(recording, [x, ...matrices], batch) {
        const heads = (i: number) =>
          splitHeads(recording, linear(recording, x, { tensor: matrices[i], transposed: false }), batch, 2);
        const probabilities = softmax(recording, scores(recording, heads(0), heads(1)));
        const joined = joinHeads(recording, weightedSum(recording, probabilities, heads(2)), batch);
        return linear(recording, joined, { tensor: matrices[3], transposed: true });
      },
    });
    const wanted = parts.map((part, i) => [inputs[i + 1], part] as const);
    const gradients = tape.gradients(output, weights, wanted);
    const session = new Session(tf, ops);
    const c = { values: numbers(30), shape: [6, 5] };
    const values = wanted.map(([{ name }]) => session.read([...feed(given), [weights, c]], gradients.get(name)!));
    session.close();
    return values;
  };
  const rows = (values: Float32Array, ranges: [number, number][]) =>
    ranges.flatMap(([from, to]) => Array.from(values.subarray(from * 8, to * 8)));

  it.each<[string, [number, number][][]]>([
    ['one head', [[[2, 4]], [[2, 4]], [[2, 4]]]],
    [
      'heads apart',
      [
        [
          [0, 2],
          [4, 8],
        ],
        [
          [0, 2],
          [4, 8],
        ],
        [
          [0, 2],
          [4, 8],
        ],
      ],
    ],
    ['another head of each matrix', [[[0, 2]], [[4, 6]], [[6, 8]]]],
    ['rows that are no whole heads', [[[1, 4]], [[3, 5]], [[7, 8]]]],
  ])('have the same gradient as in the whole: %s', (_, ranges) => {
    const whole = attention(['all', 'all', 'all']);
    const parts = attention(ranges.map((each) => partOf(0, each)));
    for (const [i, values] of parts.entries()) {
      const expected = rows(whole[i], ranges[i]);
      expect(values).toHaveLength(expected.length);
      for (const [k, value] of values.entries()) expect(value).toBeCloseTo(expected[k], 5);
    }
  });
});
