import * as fc from 'fast-check';
import { countNumbers, putSlice, takeSlice, taskHeadTensors, tunedSlices } from '../../delta/slices';
import { type SelectionInput, selectHeads } from '../../heads/select';
import { HEAD_TUNES } from '../../heads/tune';
import { readModelConfig } from '../../model/config';
import { headParameters } from '../../model/head-parameters';
import { FIXTURES } from '../support/deltas';

const config = readModelConfig(`${FIXTURES}/tiny-bert`); // 2 layers, 5 heads of 9, d 45
const chosen = (heads: number[][]) => heads.flatMap((of, layer) => of.map((head) => ({ layer, head, score: 0 })));

test('a mask tunes the rows of its heads in Q, K, V and two biases, layer by layer', () => {
  const slices = tunedSlices(config, {
    heads: chosen([
      [3, 1],
      [0, 2, 4],
    ]),
    tune: 'qkv',
  });
  expect(slices.map(({ canonical, axis, shape }) => [canonical, axis, shape])).toEqual([
    ['encoder.layer.0.attention.self.query.weight', 'rows', [18, 45]],
    ['encoder.layer.0.attention.self.query.bias', 'rows', [18]],
    ['encoder.layer.0.attention.self.key.weight', 'rows', [18, 45]],
    ['encoder.layer.0.attention.self.value.weight', 'rows', [18, 45]],
    ['encoder.layer.0.attention.self.value.bias', 'rows', [18]],
    ['encoder.layer.1.attention.self.query.weight', 'rows', [27, 45]],
    ['encoder.layer.1.attention.self.query.bias', 'rows', [27]],
    ['encoder.layer.1.attention.self.key.weight', 'rows', [27, 45]],
    ['encoder.layer.1.attention.self.value.weight', 'rows', [27, 45]],
    ['encoder.layer.1.attention.self.value.bias', 'rows', [27]],
  ]);
  const rows = (...starts: number[]) => starts.flatMap((start) => Array.from({ length: 9 }, (_, i) => start + i));
  expect(Array.from(slices[0].indices)).toEqual(rows(9, 27));
  expect(Array.from(slices[9].indices)).toEqual(rows(0, 18, 36));
});

test('heads of a group tune their rows of keys and values once, with the biases under rotary positions', () => {
  const qwen = readModelConfig(`${FIXTURES}/tiny-qwen2`); // 2 layers, 4 heads of 6 on 2 groups, d 24
  const of = (layer: number, heads: number[]) =>
    tunedSlices(qwen, { heads: heads.map((head) => ({ layer, head, score: 0 })), tune: 'qkv' }).map(
      ({ canonical, indices }) => [canonical.replace(/.*self_attn\./, ''), indices.length, indices[0]],
    );
  const rows = (part: string, count: number, first: number) => [
    [`${part}_proj.weight`, count, first],
    [`${part}_proj.bias`, count, first],
  ];
  expect(of(0, [2, 3])).toEqual([...rows('q', 12, 12), ...rows('k', 6, 6), ...rows('v', 6, 6)]);
  expect(of(1, [1, 2, 3])).toEqual([...rows('q', 18, 6), ...rows('k', 12, 0), ...rows('v', 12, 0)]);
});

test('qkvo adds the columns of W_O; a layer without a chosen head has nothing', () => {
  const slices = tunedSlices(config, { heads: chosen([[], [4]]), tune: 'qkvo' });
  expect(slices).toHaveLength(6);
  expect(slices[5]).toEqual({
    canonical: 'encoder.layer.1.attention.output.dense.weight',
    axis: 'columns',
    indices: Int32Array.from({ length: 9 }, (_, i) => 36 + i),
    shape: [9, 45],
  });
  expect(tunedSlices(config, { heads: [], tune: 'qkvo' })).toEqual([]);
});

test.each(['tiny-bert', 'tiny-llama', 'tiny-qwen2', 'tiny-qwen3'])(
  'with any choice, slices of %s have as many numbers as the mask says',
  (name) => {
    const config = readModelConfig(`${FIXTURES}/${name}`);
    const { layers, heads, headDim, hiddenSize } = config;
    const perHead = () => Array.from({ length: layers }, (_, l) => Array.from({ length: heads }, (_, h) => l + h + 1));
    const size = layers * heads;
    const ones = Array.from({ length: size }, () => Array.from({ length: size }, () => 1));
    const sizes = { layers, heads, headDim, hiddenSize, parameters: 1e6, headParameters: headParameters(config) };
    const report: SelectionInput = {
      model: { name: 'm', sha256: '', ...sizes },
      richness: perHead(),
      activation: perHead(),
      headNorms: perHead(),
      correlation: { pearson: ones, covariance: ones },
    };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: heads }), fc.constantFrom(...HEAD_TUNES), fc.nat(99), (k, tune, seed) => {
        const mask = selectHeads(report, { strategy: 'random', k, tune, seed });
        expect(countNumbers(tunedSlices(config, mask))).toBe(mask.trainableParameters);
      }),
      { numRuns: 30 },
    );
  },
);

test('takes rows unchanged and columns transposed, of numbers and of bytes, and puts them back', () => {
  const whole = Float32Array.of(1, 2, 3, 4, 5, 6); // [2, 3]
  const bytes = (values: Float32Array) => new Uint8Array(values.slice().buffer);
  const cases = [
    { shape: [2, 3], axis: 'rows' as const, indices: [1], part: [4, 5, 6], put: [1, 2, 3, -4, -5, -6] },
    { shape: [2, 3], axis: 'columns' as const, indices: [0, 2], part: [1, 4, 3, 6], put: [-1, 2, -3, -4, 5, -6] },
    { shape: [6], axis: 'rows' as const, indices: [0, 5], part: [1, 6], put: [-1, 2, 3, 4, 5, -6] },
  ];
  for (const { shape, axis, indices, part, put } of cases) {
    const selection = { axis, indices: Int32Array.from(indices) };
    const taken = takeSlice(whole, shape, selection);
    expect(taken).toEqual(Float32Array.from(part));
    expect(takeSlice(bytes(whole), shape, selection)).toEqual(bytes(taken));
    const changed = taken.map((value) => -value);
    expect(putSlice(whole.slice(), shape, selection, changed)).toEqual(Float32Array.from(put));
    expect(putSlice(bytes(whole), shape, selection, bytes(changed))).toEqual(bytes(Float32Array.from(put)));
  }
  expect(takeSlice(whole, [2, 3], { axis: 'columns', indices: new Int32Array(0) })).toHaveLength(0);
});

test.each([
  [{ layer: 2, head: 0 }, 'mask.heads[1].layer is 2; it must be 0 to 1: the model has 2 layers'],
  [{ layer: 0, head: 5 }, 'mask.heads[1].head is 5; it must be 0 to 4: a layer of the model has 5 heads'],
  [{ layer: 0, head: -1 }, 'mask.heads[1].head is -1; it must be 0 to 4: a layer of the model has 5 heads'],
  [{ layer: 0.5, head: 0 }, 'mask.heads[1].layer is 0.5; it must be 0 to 1: the model has 2 layers'],
  [{ layer: 1, head: 3 }, 'mask.heads[1] is layer 1, head 3, which mask.heads[0] was already; each must come once'],
])('a mask with %p is refused', (extra, message) => {
  const heads = [...chosen([[], [3]]), { ...extra, score: 0 }];
  expect(() => tunedSlices(config, { heads, tune: 'qkv' })).toThrow(message);
});

test("the task head is Hugging Face's own: pooler and classifier", () => {
  expect(taskHeadTensors(config, 3)).toEqual([
    { canonical: 'pooler.dense.weight', shape: [45, 45] },
    { canonical: 'pooler.dense.bias', shape: [45] },
    { canonical: 'classifier.weight', shape: [3, 45] },
    { canonical: 'classifier.bias', shape: [3] },
  ]);
});
