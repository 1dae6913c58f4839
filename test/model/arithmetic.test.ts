import * as ort from 'onnxruntime-node';
import { type Arithmetic, float16Arithmetic, float32Arithmetic, q8Arithmetic } from '../../model/arithmetic';
import { widenF16 } from '../../model/half-precision';
import { OnnxGraph } from '../../model/onnx';
import { roundTo } from '../../model/rounding';

const [ROWS, INTO, OUT] = [3, 70, 5];
const wave = (length: number, step: number, scale = 1) =>
  Float32Array.from({ length }, (_, i) => scale * Math.sin(i * step + 0.3));
const x = wave(ROWS * INTO, 0.7, 3);
const layer = { module: 'm', out: OUT, into: INTO, weight: wave(OUT * INTO, 0.13, 0.4), bias: wave(OUT, 2) };
layer.weight.fill(0, INTO, 2 * INTO); // an output with weights of 0
const table = { module: 't', rows: 4, width: 6, weight: wave(24, 1.1, 2) };

async function run(make: (graph: OnnxGraph) => Arithmetic): Promise<{ dense: Float32Array; rows: Float32Array }> {
  const graph = new OnnxGraph('arithmetic');
  const arithmetic = make(graph);
  const given = graph.input('x', 'float32', [ROWS, INTO]);
  const dense = arithmetic.wide(arithmetic.dense(arithmetic.narrow(given), layer));
  graph.output('dense', dense, 'float32', [ROWS, OUT]);
  const picked = arithmetic.rows(table, (constant) => graph.node('Gather', [constant, graph.ints([3, 1])]));
  graph.output('rows', picked, 'float32', [2, table.width]);
  const session = await ort.InferenceSession.create(graph.toModel(), { intraOpNumThreads: 1 });
  const outputs = await session.run({ x: new ort.Tensor('float32', x, [ROWS, INTO]) });
  await session.release();
  return { dense: outputs.dense.data as Float32Array, rows: outputs.rows.data as Float32Array };
}

/** x·Wᵀ + b in float64. */
const product = (input: ArrayLike<number>, weight: ArrayLike<number>, bias: ArrayLike<number>) =>
  Array.from({ length: ROWS * OUT }, (_, at) => {
    const [row, out] = [Math.floor(at / OUT), at % OUT];
    let sum = bias[out];
    for (let i = 0; i < INTO; i++) sum += input[row * INTO + i] * weight[out * INTO + i];
    return sum;
  });
const pickedRows = (weight: ArrayLike<number>) =>
  [3, 1].flatMap((row) => Array.from(weight).slice(row * 6, row * 6 + 6));

function expectWithin(found: ArrayLike<number>, expected: readonly number[], bound: number): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i] - value)).toBeLessThan(bound);
}

/** Nearest integer, of two the even one, as ONNX rounds. */
const nearestEven = (value: number) => {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
};

test('float32 computes the product and picks the rows', async () => {
  const { dense, rows } = await run(float32Arithmetic);
  expectWithin(dense, product(x, layer.weight, layer.bias), 2e-5);
  expect(Array.from(rows)).toEqual(pickedRows(table.weight));
});

test('float16 rounds weights and inputs to it, and sums within its precision', async () => {
  const halved = (values: Float32Array) => widenF16(new Uint16Array(roundTo('F16', values).buffer));
  const { dense, rows } = await run(float16Arithmetic);
  expect(Array.from(rows)).toEqual(pickedRows(halved(table.weight)));
  const expected = product(halved(x), halved(layer.weight), halved(layer.bias));
  expectWithin(dense, expected, 2 ** -10 * Math.max(...expected.map(Math.abs)));
});

test('float16 refuses a weight that it cannot hold', () => {
  const weight = Float32Array.of(1, 65_519, 65_520);
  const narrow = (values: Float32Array) =>
    float16Arithmetic(new OnnxGraph('large')).rows(
      { module: 'm', rows: 1, width: values.length, weight: values },
      (c) => c,
    );
  expect(() => narrow(weight.subarray(0, 2))).not.toThrow();
  expect(() => narrow(weight)).toThrow('m.weight holds 65520, too large for float16: leave out the type fp16');
});

test('q8 matches its formulas: integers, a scale for each output and row, one for the input', async () => {
  const { dense, rows } = await run(q8Arithmetic);
  const scaled = (weight: Float32Array, width: number, levels: number) =>
    Array.from(weight, (value, i) => {
      const row = weight.slice(Math.floor(i / width) * width, (Math.floor(i / width) + 1) * width);
      const scale = Math.max(...row.map(Math.abs)) / levels || 1;
      return Math.round(value / scale) * Math.fround(scale);
    });
  expectWithin(rows, pickedRows(scaled(table.weight, table.width, 127)), 1e-6);
  // DynamicQuantizeLinear as ONNX defines it.
  const [least, most] = [Math.min(0, ...x), Math.max(0, ...x)];
  const scale = (most - least) / 255;
  const zero = nearestEven(-least / scale);
  const input = Array.from(
    x,
    (value) => (Math.min(255, Math.max(0, nearestEven(value / scale) + zero)) - zero) * scale,
  );
  expectWithin(dense, product(input, scaled(layer.weight, INTO, 64), layer.bias), 1e-4);
});

test('q8 keeps the weights of a dense layer within 7 bits: sums of two products fit 16', () => {
  const constants: Int8Array[] = [];
  const graph = new OnnxGraph('levels');
  const constant = graph.constant.bind(graph);
  graph.constant = (type, shape, values, name) => {
    if (values instanceof Int8Array) constants.push(values);
    return constant(type, shape, values, name);
  };
  q8Arithmetic(graph).dense('x', layer);
  const largest = Math.max(...Array.from(constants[0], Math.abs));
  expect(largest).toBe(64);
  expect(2 * 255 * largest).toBeLessThan(2 ** 15);
});
