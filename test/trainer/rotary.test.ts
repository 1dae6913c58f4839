import * as fs from 'node:fs';
import * as path from 'node:path';
import * as ort from 'onnxruntime-node';
import { loadTensorFlow } from '../../infra/tensorflow';
import type { ModelConfig } from '../../model/architecture';
import { float32Arithmetic } from '../../model/arithmetic';
import { OnnxGraph } from '../../model/onnx';
import { OnnxNetwork } from '../../model/onnx-network';
import { rotaryFrequencies } from '../../model/rotary';
import { Ops } from '../../trainer/ops';
import { rotary, turnByPlace } from '../../trainer/rotary';
import { Session } from '../../trainer/session';
import { Tape } from '../../trainer/tape';

// Against transformers: see make_rotary_golden.py.
const golden = JSON.parse(fs.readFileSync(path.join(__dirname, 'rotary.golden.json'), 'utf8')) as {
  headDim: number;
  theta: number;
  frequencies: number[];
} & Record<'x' | 'turned' | 'weights' | 'gradient', number[][][][]>; // [B][H][S][dh]
const { headDim, theta } = golden;
const shape = [golden.x.length, golden.x[0].length, golden.x[0][0].length, headDim]; // [B, H, S, dh]
const [B, H, S] = shape;
const flat = (values: number[][][][]) => Float32Array.from(values.flat(3));
/** The same with each pair (i, i + dh/2) as neighbours, as in TensorFlow. */
const inPairs = (values: number[][][][]) => {
  const neighbours = (row: number[]) => row.slice(headDim / 2).flatMap((second, i) => [row[i], second]);
  return flat(values.map((heads) => heads.map((rows) => rows.map(neighbours))));
};

function expectClose(found: Float32Array, expected: Float32Array) {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(2e-6);
}

it('has the frequencies of transformers', () => {
  const found = rotaryFrequencies(headDim, theta);
  expect(found).toHaveLength(golden.frequencies.length);
  for (const [i, value] of found.entries()) expect(value / golden.frequencies[i]).toBeCloseTo(1, 6);
});

it('turns heads and their gradients in TensorFlow as transformers does', () => {
  const ops = new Ops();
  const tape = new Tape(ops);
  const x = ops.input('x', 'float32', [null, H, null, headDim]);
  const weights = ops.input('weights', 'float32', [null, H, null, headDim]);
  const places = ops.reshape(ops.range(ops.size(x, 2)), [-1, 1]); // [S, 1]
  const turned = rotary(tape, x, turnByPlace(ops, rotaryFrequencies(headDim, theta), places));
  const gradient = tape.gradients(turned, ops.scale(weights, 1), [[x, 'all']]).get(x.name)!;
  const unturned = rotary(tape, x);
  const session = new Session(loadTensorFlow(), ops);
  const given = [x, { values: flat(golden.x), shape }] as const;
  expectClose(session.read([given], turned), inPairs(golden.turned));
  expectClose(session.read([given], unturned), inPairs(golden.x));
  const byTurned = [weights, { values: inPairs(golden.weights), shape }] as const;
  expectClose(session.read([given, byTurned], gradient), flat(golden.gradient));
  session.close();
});

it('turns heads in onnxruntime as transformers does, and a first token not at all', async () => {
  const graph = new OnnxGraph('rotary');
  const config = { architecture: 'bert', layers: 0 } as ModelConfig;
  const net = OnnxNetwork.start(graph, { config, tensor: () => new Float32Array(0) }, float32Arithmetic(graph), {});
  const x = { name: graph.input('x', 'float32', ['B', 'S', H, headDim]), width: H * headDim };
  const frequencies = rotaryFrequencies(headDim, theta);
  expect(net.rotary(x, frequencies, 'first')).toBe(x);
  graph.output('turned', net.rotary(x, frequencies, 'all').name, 'float32', ['B', 'S', H, headDim]);
  const session = await ort.InferenceSession.create(graph.toModel());
  const byToken = (values: number[][][][]) =>
    Float32Array.from(values.flatMap((heads) => heads[0].flatMap((_, s) => heads.flatMap((rows) => rows[s]))));
  const { turned } = await session.run({
    x: new ort.Tensor('float32', byToken(golden.x), [B, S, H, headDim]),
    attention_mask: new ort.Tensor('int64', new BigInt64Array(B * S).fill(1n), [B, S]),
  });
  await session.release();
  expectClose(turned.data as Float32Array, byToken(golden.turned));
});
