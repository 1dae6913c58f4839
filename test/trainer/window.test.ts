import * as ort from 'onnxruntime-node';
import { randomStream } from '../../data/random';
import { loadTensorFlow } from '../../infra/tensorflow';
import type { ModelConfig } from '../../model/architecture';
import { float32Arithmetic } from '../../model/arithmetic';
import { OnnxGraph } from '../../model/onnx';
import { OnnxNetwork } from '../../model/onnx-network';
import type { Operations } from '../../model/operations';
import { MASKED, TensorFlowNetwork } from '../../trainer/network';
import type { NetworkWeights } from '../../trainer/network-weights';
import { Ops, type Tensor } from '../../trainer/ops';
import { type Feed, Session } from '../../trainer/session';

const tf = loadTensorFlow();
const [B, H, dh, REACH] = [2, 3, 4, 2];
const WIDTH = H * dh;
/** Lengths of one block, up to the longest, and of several blocks, the last one full or not. */
const LENGTHS = [1, 3, 8, 9, 12, 16, 17, 31];

/** Query, key, value, gradient by the output: [B][S][H·dh] each. The second row is padded. */
function inputsOf(S: number) {
  const random = randomStream(S, 'window');
  const numbers = () => Float32Array.from({ length: B * S * WIDTH }, () => random.normal());
  const lengths = [S, Math.max(1, S - 3)];
  return { query: numbers(), key: numbers(), value: numbers(), byOutput: numbers(), lengths };
}
type Inputs = ReturnType<typeof inputsOf>;

/** Local attention by its definition in float64. // [B][S][H·dh] */
function expected({ query, key, value, lengths }: Inputs, S: number): Float64Array {
  const output = new Float64Array(B * S * WIDTH);
  const at = (b: number, s: number, h: number) => (b * S + s) * WIDTH + h * dh;
  for (let b = 0; b < B; b++) {
    for (let s = 0; s < S; s++) {
      for (let h = 0; h < H; h++) {
        const keys = Array.from({ length: lengths[b] }, (_, k) => k).filter((k) => Math.abs(k - s) <= REACH);
        const weights = keys.map((k) => {
          let score = 0;
          for (let i = 0; i < dh; i++) score += query[at(b, s, h) + i] * key[at(b, k, h) + i];
          return Math.exp(score);
        });
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (const [n, k] of keys.entries()) {
          for (let i = 0; i < dh; i++) output[at(b, s, h) + i] += (weights[n] / total) * value[at(b, k, h) + i];
        }
      }
    }
  }
  return output;
}

/** Attention with a window: in blocks, or with the scores of all pairs. */
function attention<V>(net: Operations<V>, [query, key, value]: V[], tokens: 'all' | 'first'): V {
  const window = { reach: REACH, tokens };
  const asked = net.splitHeads(tokens === 'first' ? net.firstToken(query) : query, H);
  const scores = net.maskWindow(net.scores(asked, net.splitHeads(key, H), window), window);
  return net.joinHeads(net.weightedSum(net.softmax(scores), net.splitHeads(value, H), window));
}

/**
 * Output of every token and of the first ones, and gradients of the former by query, key and value.
 * One graph serves all lengths.
 */
function openTensorFlow() {
  const ops = new Ops();
  const rows = ['query', 'key', 'value', 'byOutput'].map((name) => ops.input(name, 'float32', [null, WIDTH]));
  const mask = ops.input('mask', 'float32', [null, 1, 1, null]);
  const inputs = { mask, words: rows[0], numbers: rows[0] };
  const net = new TensorFlowNetwork(
    ops,
    {} as ModelConfig,
    { has: (_name: string) => false } as NetworkWeights,
    inputs,
  );
  const given = rows.slice(0, 3);
  const output = attention(net, given, 'all');
  const first = attention(net, given, 'first');
  const wanted = given.map((row) => [row, 'all'] as const);
  const gradients = net.tape.gradients(output, ops.scale(rows[3], 1), wanted);
  const session = new Session(tf, ops);
  const run = ({ query, key, value, byOutput, lengths }: Inputs, S: number) => {
    const real = lengths.flatMap((length) => Array.from({ length: S }, (_, s) => (s < length ? 0 : MASKED)));
    const feeds: [Tensor, Feed][] = [
      ...[query, key, value, byOutput].map((values, i): [Tensor, Feed] => [rows[i], { values, shape: [B * S, WIDTH] }]),
      [mask, { values: Float32Array.from(real), shape: [B, 1, 1, S] }],
    ];
    return {
      output: session.read(feeds, output),
      first: session.read(feeds, first),
      gradients: given.map(({ name }) => session.read(feeds, gradients.get(name)!)),
    };
  };
  return { run, close: () => session.close() };
}

async function openOnnxruntime() {
  const graph = new OnnxGraph('window');
  const source = { config: { architecture: 'bert', layers: 0 } as ModelConfig, tensor: () => new Float32Array(0) };
  const net = OnnxNetwork.start(graph, source, float32Arithmetic(graph), {});
  const rows = ['query', 'key', 'value'].map((name) => ({
    name: graph.input(name, 'float32', ['B', 'S', WIDTH]),
    width: WIDTH,
  }));
  graph.output('output', attention(net, rows, 'all').name, 'float32', ['B', 'S', WIDTH]);
  graph.output('first', attention(net, rows, 'first').name, 'float32', ['B', 1, WIDTH]);
  const session = await ort.InferenceSession.create(graph.toModel());
  const run = async ({ query, key, value, lengths }: Inputs, S: number) => {
    const real = lengths.flatMap((length) => Array.from({ length: S }, (_, s) => (s < length ? 1n : 0n)));
    const tensor = (values: Float32Array) => new ort.Tensor('float32', values, [B, S, WIDTH]);
    const outputs = await session.run({
      ...{ query: tensor(query), key: tensor(key), value: tensor(value) },
      attention_mask: new ort.Tensor('int64', BigInt64Array.from(real), [B, S]),
    });
    return { output: outputs.output.data as Float32Array, first: outputs.first.data as Float32Array };
  };
  return { run, close: () => session.release() };
}

let tensorFlow: ReturnType<typeof openTensorFlow>;
let onnxruntime: Awaited<ReturnType<typeof openOnnxruntime>>;
beforeAll(async () => {
  tensorFlow = openTensorFlow();
  onnxruntime = await openOnnxruntime();
});
afterAll(async () => {
  tensorFlow.close();
  await onnxruntime.close();
});

/** Largest difference over the tokens that are no padding. */
function distance(found: Float32Array, wanted: Float64Array, { lengths }: Inputs, S: number): number {
  let largest = 0;
  for (const [b, length] of lengths.entries()) {
    for (let i = b * S * WIDTH; i < (b * S + length) * WIDTH; i++) {
      largest = Math.max(largest, Math.abs(found[i] - wanted[i]));
    }
  }
  return largest;
}

it.each(LENGTHS)('attention of %i tokens is local in both networks', async (S) => {
  const inputs = inputsOf(S);
  const wanted = expected(inputs, S);
  const firstOf = Float64Array.from([...wanted.subarray(0, WIDTH), ...wanted.subarray(S * WIDTH, (S + 1) * WIDTH)]);
  for (const found of [tensorFlow.run(inputs, S), await onnxruntime.run(inputs, S)]) {
    expect(distance(found.output, wanted, inputs, S)).toBeLessThan(1e-5);
    for (const [i, value] of found.first.entries()) expect(Math.abs(value - firstOf[i])).toBeLessThan(1e-5);
  }
});

it.each([3, 9, 17])('gradients of %i tokens are those of the definition, by central differences', (S) => {
  const inputs = inputsOf(S);
  const { lengths, byOutput } = inputs;
  // Padding tokens have no definition, and their outputs no gradient.
  for (const [b, length] of lengths.entries()) byOutput.fill(0, (b * S + length) * WIDTH, (b + 1) * S * WIDTH);
  const loss = (given: Inputs) => expected(given, S).reduce((sum, x, i) => sum + x * byOutput[i], 0);
  const { gradients } = tensorFlow.run(inputs, S);
  const random = randomStream(S, 'directions');
  for (const [i, part] of (['query', 'key', 'value'] as const).entries()) {
    const way = inputs[part].map(() => random.normal());
    const moved = (epsilon: number) =>
      loss({ ...inputs, [part]: inputs[part].map((value, k) => value + epsilon * way[k]) });
    const slope = (moved(2 ** -7) - moved(-(2 ** -7))) / 2 ** -6;
    const found = gradients[i].reduce((sum, value, k) => sum + value * way[k], 0);
    expect(Math.abs(slope - found) / (Math.hypot(...gradients[i]) * Math.hypot(...way))).toBeLessThan(1e-4);
  }
});
