import * as fs from 'node:fs';
import * as path from 'node:path';
import { applyDelta, DELTA_INFO, DELTA_TENSORS, readDelta, writeDelta } from '../../delta/delta';
import { besideHeads, countNumbers } from '../../delta/slices';
import type { TensorPart } from '../../model/architecture';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { SafetensorsFile, type TensorSource, writeSafetensors } from '../../model/safetensors';
import { type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('delta');
let count = 0;
const fresh = () => path.join(folder, `${count++}`);
let tiny: Checkpoint;
let oneHead: Checkpoint;

beforeAll(async () => {
  tiny = await openCheckpoint(`${FIXTURES}/tiny-bert`);
  oneHead = await openCheckpoint(`${FIXTURES}/one-head-bert`);
});
afterAll(() => {
  tiny.close();
  oneHead.close();
  fs.rmSync(folder, { recursive: true });
});

const UNEQUAL: DeltaShape = { heads: [[3], [0, 2, 4]], tune: 'qkvo', labels: ['no', 'yes', '"quoted" ü'] };

const PARTS: TensorPart[] = [
  { tensor: 'encoder.layer.0.output.dense.bias', axis: 'rows', ranges: [[0, 45]] },
  { tensor: 'encoder.layer.1.output.dense.weight', axis: 'columns', ranges: [[7, 9]] },
];

test.each<[string, DeltaShape]>([
  ['unequal heads, W_O too', UNEQUAL],
  ['a layer without heads, regression', { heads: [[], [1, 2]] }],
  ['only the task head', { heads: [[], []], labels: ['a', 'b'] }],
  ['a bias and parts of a matrix', { heads: [[1], []], parts: PARTS }],
])('a written delta is read back: %s', (_, shape) => {
  const delta = randomDelta(tiny, shape);
  const out = fresh();
  writeDelta(out, delta);
  expect(fs.readdirSync(out).sort()).toEqual([DELTA_INFO, DELTA_TENSORS]);
  const read = readDelta(out, tiny);
  expect(read.info).toEqual(delta.info);
  expect(new Map([...read.tensors].sort())).toEqual(new Map([...delta.tensors].sort()));
});

test('the same delta gives the same bytes in any order of its keys and heads', () => {
  const delta = randomDelta(tiny, UNEQUAL);
  const reversed = <T extends object>(value: T) => Object.fromEntries(Object.entries(value).reverse()) as T;
  const { mask, options } = delta.info;
  const heads = mask.heads.map(reversed).reverse();
  const info = { ...reversed(delta.info), mask: { ...reversed(mask), heads }, options: reversed(options) };
  const [one, other] = [fresh(), fresh()];
  writeDelta(one, delta);
  writeDelta(other, { info, tensors: new Map([...delta.tensors].reverse()) });
  for (const name of [DELTA_INFO, DELTA_TENSORS]) {
    expect(fs.readFileSync(path.join(other, name))).toEqual(fs.readFileSync(path.join(one, name)));
  }
});

test("tensors have the base file's own names", () => {
  const named = (of: Checkpoint) => [...randomDelta(of, { heads: [[0]], labels: ['a', 'b'] }).tensors.keys()];
  expect(named(tiny)).toEqual([
    'bert.encoder.layer.0.attention.self.query.weight',
    'bert.encoder.layer.0.attention.self.query.bias',
    'bert.encoder.layer.0.attention.self.key.weight',
    'bert.encoder.layer.0.attention.self.value.weight',
    'bert.encoder.layer.0.attention.self.value.bias',
    'bert.pooler.dense.weight',
    'bert.pooler.dense.bias',
    'classifier.weight',
    'classifier.bias',
  ]);
  expect(named(oneHead).slice(3)).toEqual([
    'encoder.layer.0.attention.self.value.weight',
    'encoder.layer.0.attention.self.value.bias',
    'pooler.dense.weight',
    'pooler.dense.bias',
    'classifier.weight',
    'classifier.bias',
  ]);
});

test('a delta has at most 160 bytes per tensor and 4 KB beside its numbers, and always the same bytes', () => {
  const delta = randomDelta(tiny, UNEQUAL);
  const backwards = { ...delta, tensors: new Map([...delta.tensors].reverse()) };
  const [first, second] = [fresh(), fresh()];
  writeDelta(first, delta);
  writeDelta(second, backwards);
  const size = fs.statSync(path.join(first, DELTA_TENSORS)).size + fs.statSync(path.join(first, DELTA_INFO)).size;
  expect(size).toBeLessThanOrEqual(4 * countNumbers(delta.tensors.values()) + 160 * delta.tensors.size + 4096);
  for (const name of [DELTA_TENSORS, DELTA_INFO]) {
    expect(Buffer.compare(fs.readFileSync(path.join(first, name)), fs.readFileSync(path.join(second, name)))).toBe(0);
  }
});

test("a merged tensor has the delta's rows and columns, and the base's other numbers", () => {
  const delta = randomDelta(tiny, UNEQUAL);
  const merged = applyDelta(tiny, delta);
  expect([...merged.keys()].sort()).toEqual([...delta.tensors.keys()].map((name) => name.replace('bert.', '')).sort());
  const d = 45;
  const tunedFeature = (i: number) => [0, 2, 4].includes(Math.floor(i / 9));
  const value = 'encoder.layer.1.attention.self.value.weight';
  const output = 'encoder.layer.1.attention.output.dense.weight';
  const rows = delta.tensors.get(`bert.${value}`)!.values; // [27, d]
  const columns = delta.tensors.get(`bert.${output}`)!.values; // [27, d]
  const place = (i: number) => (Math.floor(i / 9) / 2) * 9 + (i % 9);
  const [baseValue, baseOutput] = [tiny.tensor(value), tiny.tensor(output)];
  const [mergedValue, mergedOutput] = [merged.get(value)!(), merged.get(output)!()];
  for (let r = 0; r < d; r++) {
    for (let c = 0; c < d; c++) {
      expect(mergedValue[r * d + c]).toBe(tunedFeature(r) ? rows[place(r) * d + c] : baseValue[r * d + c]);
      expect(mergedOutput[r * d + c]).toBe(tunedFeature(c) ? columns[place(c) * d + r] : baseOutput[r * d + c]);
    }
  }
  expect(merged.get('classifier.bias')!()).toEqual(delta.tensors.get('classifier.bias')!.values);
});

test('another base is refused, with both names and hashes', () => {
  const out = fresh();
  writeDelta(out, randomDelta(tiny, UNEQUAL));
  expect(() => readDelta(out, oneHead)).toThrow(
    `${out} was trained on tiny-bert (sha256 ${tiny.sha256}), not on one-head-bert (sha256 ${oneHead.sha256})`,
  );
  expect(() => applyDelta(oneHead, randomDelta(tiny, UNEQUAL))).toThrow('the delta was trained on tiny-bert');
});

/** Writes a delta, changes its tensors and reads it again. */
function reread(change: (tensors: TensorSource[]) => TensorSource[]) {
  const out = fresh();
  writeDelta(out, randomDelta(tiny, UNEQUAL));
  const file = SafetensorsFile.open(path.join(out, DELTA_TENSORS));
  const bytes = new Map([...file.tensors.keys()].map((name) => [name, file.bytes(name)]));
  const tensors = [...file.tensors].map(([name, t]): TensorSource => ({ ...t, name, bytes: () => bytes.get(name)! }));
  file.close();
  writeSafetensors(path.join(out, DELTA_TENSORS), change(tensors));
  return readDelta(out, tiny);
}

const QUERY = 'bert.encoder.layer.1.attention.self.query.weight';
const changeQuery = (to: Partial<TensorSource>) => (tensors: TensorSource[]) =>
  tensors.map((tensor) => (tensor.name === QUERY ? { ...tensor, ...to } : tensor));

test.each<[string, (tensors: TensorSource[]) => TensorSource[], string]>([
  ['a missing tensor', (all) => all.filter(({ name }) => name !== QUERY), `${QUERY} is missing; its mask requires it`],
  [
    'a superfluous tensor',
    (all) => [
      ...all,
      {
        name: 'bert.encoder.layer.0.attention.self.key.bias',
        dtype: 'F32',
        shape: [1],
        bytes: () => new Uint8Array(4),
      },
    ],
    'its mask does not tune bert.encoder.layer.0.attention.self.key.bias',
  ],
  [
    'a wrong shape',
    changeQuery({ shape: [26, 45], bytes: () => new Uint8Array(26 * 45 * 4) }),
    `${QUERY} has shape [26,45]; its mask and base require [27,45]`,
  ],
  [
    'a NaN',
    changeQuery({
      bytes: () => new Uint8Array(Float32Array.from({ length: 27 * 45 }, (_, i) => (i === 7 ? NaN : 0)).buffer),
    }),
    `${QUERY} holds NaN at index 7; a delta's numbers must be finite`,
  ],
  [
    'another type',
    changeQuery({ dtype: 'F16', bytes: () => new Uint8Array(27 * 45 * 2) }),
    `${QUERY} is F16; a delta's tensors are F32`,
  ],
])('%s is refused by name', (_, change, message) => {
  expect(() => reread((all) => all)).not.toThrow();
  expect(() => reread(change)).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining(message) }),
  );
});

test('an older delta of full fine-tuning names no parts: all heads and every other tensor are tuned', () => {
  const all = [0, 1, 2, 3, 4];
  const delta = randomDelta(tiny, {
    heads: [all, all],
    tune: 'qkvo',
    parts: besideHeads(tiny.config),
    labels: ['a', 'b'],
  });
  const out = fresh();
  writeDelta(out, delta);
  const file = path.join(out, DELTA_INFO);
  const { parts, ...info } = JSON.parse(fs.readFileSync(file, 'utf8'));
  expect(parts).toHaveLength(23);
  fs.writeFileSync(file, JSON.stringify({ ...info, mask: { ...info.mask, tune: 'full' } }));
  const read = readDelta(out, tiny);
  expect(read.info).toEqual(delta.info);
  const merged = applyDelta(tiny, read);
  for (const [canonical, values] of applyDelta(tiny, delta)) expect(merged.get(canonical)!()).toEqual(values());
});

/** Change of a delta.json to one with this part. */
const withPart = (part: object) => (json: string) => {
  const whole = { tensor: 'encoder.layer.0.attention.output.dense.weight', axis: 'rows', ranges: [[0, 45]], ...part };
  return JSON.stringify({ ...JSON.parse(json), parts: [whole] });
};

test.each<[string, (json: string) => string, string]>([
  ['no JSON', (json) => json.slice(0, -9), 'delta.json is not JSON'],
  [
    'another version',
    (json) => json.replace('"schemaVersion":1', '"schemaVersion":2'),
    'delta.json: schemaVersion must be 1',
  ],
  ['a bad hash', (json) => json.replace(/"sha256":"./, '"sha256":"x'), 'delta.json: base.sha256 must be a SHA-256'],
  [
    'a head that is a text',
    (json) => json.replace('"head":3', '"head":"3"'),
    'mask.heads.0.head must be an integer from 0',
  ],
  [
    'a repeated label',
    (json) => json.replace('"no"', '"yes"'),
    'id2label must be null for a regression or relevance, else two or more different',
  ],
  [
    'a head that the model lacks',
    (json) => json.replace('"head":3', '"head":5'),
    'mask.heads[0].head is 5; it must be 0 to 4',
  ],
  [
    'a part outside its tensor',
    withPart({ axis: 'columns', ranges: [[40, 46]] }),
    'columns 40 to 46 of encoder.layer.0.attention.output.dense.weight cannot be tuned: it has 45',
  ],
  [
    'a part of no tensor',
    withPart({ tensor: 'none', ranges: [[0, 1]] }),
    'rows 0 to 1 of none cannot be tuned: it has 0',
  ],
  [
    'rows of a matrix whose columns are tuned',
    withPart({ tensor: 'encoder.layer.1.attention.output.dense.weight', ranges: [[0, 1]] }),
    'encoder.layer.1.attention.output.dense.weight is tuned both by rows and by columns',
  ],
  ['an axis of another name', withPart({ axis: 'layers' }), 'parts.0.axis must be "rows" or "columns"'],
])('delta.json with %s is refused', (_, change, message) => {
  const out = fresh();
  writeDelta(out, randomDelta(tiny, UNEQUAL));
  const file = path.join(out, DELTA_INFO);
  fs.writeFileSync(file, change(fs.readFileSync(file, 'utf8')));
  expect(() => readDelta(out, tiny)).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining(message) }),
  );
});

test('a folder that is no delta, or lacks one of its files, is named', () => {
  const out = fresh();
  expect(() => readDelta(out)).toThrow(/: no such folder/);
  fs.mkdirSync(out);
  expect(() => readDelta(out)).toThrow(/is not a delta: it lacks delta\.json$/);
  writeDelta(out, randomDelta(tiny, UNEQUAL));
  fs.rmSync(path.join(out, DELTA_TENSORS));
  expect(() => readDelta(out)).toThrow(/is not a delta: it lacks delta\.safetensors$/);
});

test('an older delta is replaced, other files stay, and a failed write leaves no file', () => {
  const parent = fresh();
  const out = path.join(parent, 'delta');
  writeDelta(out, randomDelta(tiny, { heads: [[0], []] }));
  writeDelta(out, randomDelta(tiny, UNEQUAL));
  expect(readDelta(out, tiny).info.mask.heads).toHaveLength(4);

  const diverged = randomDelta(tiny, UNEQUAL);
  diverged.tensors.get(QUERY)!.values[5] = Number.POSITIVE_INFINITY;
  expect(() => writeDelta(path.join(parent, 'other'), diverged)).toThrow(expect.objectContaining({ code: 'DIVERGED' }));
  const broken = randomDelta(tiny, UNEQUAL);
  broken.tensors.set(QUERY, { shape: [1], values: new Float32Array(2) });
  expect(() => writeDelta(out, broken)).toThrow('bytes');
  expect(readDelta(out, tiny).info.mask.heads).toHaveLength(4);
  expect(fs.readdirSync(parent)).toEqual(['delta']);

  fs.writeFileSync(path.join(out, 'notes.txt'), 'mine');
  expect(() => writeDelta(out, randomDelta(tiny, UNEQUAL))).toThrow('holds notes.txt: give a new or an empty folder');
  expect(fs.readFileSync(path.join(out, 'notes.txt'), 'utf8')).toBe('mine');
});
