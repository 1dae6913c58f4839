import * as fs from 'node:fs';
import * as path from 'node:path';
import { type ExportDtype, exportCheckpoint } from '../../delta/checkpoint-export';
import { UNDO_FILE, undoCheckpoint } from '../../delta/undo';
import { architectureOf } from '../../model/architectures';
import { openCheckpoint } from '../../model/checkpoint';
import { readModelConfig } from '../../model/config';
import { SafetensorsFile, type TensorSource, writeSafetensors } from '../../model/safetensors';
import { Weights } from '../../model/weights';
import {
  copyModel,
  type DeltaShape,
  expectSameFiles,
  FIXTURES,
  randomDelta,
  shardModel,
  TORCH_MODELS,
  temporaryFolder,
  torchModel,
} from '../support/deltas';

const folder = temporaryFolder('undo');
let count = 0;
const fresh = () => path.join(folder, `${count++}`);
afterAll(() => fs.rmSync(folder, { recursive: true }));

async function merge(base: string, shape: DeltaShape, dtype: ExportDtype = 'float32'): Promise<string> {
  const checkpoint = await openCheckpoint(base);
  const out = fresh();
  await exportCheckpoint({ checkpoint, delta: randomDelta(checkpoint, shape), dtype, out });
  checkpoint.close();
  return out;
}

const TINY: DeltaShape = { heads: [[3], [0, 2, 4]], tune: 'qkvo', labels: ['no', 'yes', 'maybe'] };

test.each<[string, DeltaShape]>([
  ['tiny-bert', TINY],
  ['tiny-bert', { heads: [[], []] }],
  ['one-head-bert', { heads: [[0]], tune: 'qkvo', labels: ['no', 'yes'] }],
])('undone, a merged %s is the base byte for byte', async (name, shape) => {
  const out = fresh();
  undoCheckpoint(await merge(path.join(FIXTURES, name), shape), out);
  expectSameFiles(out, path.join(FIXTURES, name));
});

test.each([
  ['F16', 'float32'],
  ['F16', 'base'],
  ['BF16', 'float32'],
  ['BF16', 'base'],
] as const)('so is a base in %s, merged as %s', async (format, dtype) => {
  const base = copyModel(path.join(FIXTURES, 'tiny-bert'), fresh(), format);
  const out = fresh();
  undoCheckpoint(await merge(base, TINY, dtype), out);
  expectSameFiles(out, base);
});

test.each(TORCH_MODELS)(
  "a base in PyTorch's files is rebuilt as safetensors, each tensor byte for byte: %s",
  async (name) => {
    const base = torchModel(name, fresh());
    const { layers, heads, ...config } = readModelConfig(base);
    const chosen = Array.from({ length: layers }, (_, layer) => (layer === 0 ? [] : [heads - 1]));
    const merged = await merge(base, { heads: layers === 1 ? [[0]] : chosen, tune: 'qkvo', labels: ['no', 'yes'] });
    const out = fresh();
    const { sha256 } = undoCheckpoint(merged, out);
    const [undone, was] = [Weights.open(out), Weights.open(base)];
    expect(await undone.sha256()).toBe(sha256);
    expect(undone.files.map((file) => path.extname(file.path))).toEqual(was.files.map(() => '.safetensors'));
    expect([...undone.tensors.keys()].sort()).toEqual([...was.tensors.keys()].sort());
    for (const [tensor, { dtype, shape }] of was.tensors) {
      expect(undone.entry(tensor)).toMatchObject({ dtype, shape });
      expect([tensor, undone.bytes(tensor)]).toEqual([tensor, was.bytes(tensor)]);
    }
    undone.close();
    was.close();
    const file = path.join(merged, 'model.safetensors');
    const bytes = fs.readFileSync(file);
    const model = SafetensorsFile.open(file);
    // The number's exponent: rounding removes the lower half of a widened number.
    const { wordEmbeddings } = architectureOf(config);
    const words = [...model.tensors.keys()].find((tensor) => tensor.endsWith(`${wordEmbeddings}.weight`))!;
    bytes[model.entry(words).begin + 3] ^= 1;
    model.close();
    fs.writeFileSync(file, bytes);
    expect(() => undoCheckpoint(merged, fresh())).toThrow(/is not the base/);
  },
);

test('a base with old names, odd types, empty tensors and another order of bytes is rebuilt byte for byte', async () => {
  const base = fresh();
  fs.cpSync(path.join(FIXTURES, 'tiny-bert'), base, { recursive: true });
  const file = SafetensorsFile.open(path.join(FIXTURES, 'tiny-bert/model.safetensors'));
  const tensors = [...file.tensors].reverse().map(([name, tensor]): TensorSource => {
    const old = name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta');
    return { ...tensor, name: old, bytes: () => file.bytes(name) };
  });
  tensors.push({ name: 'classifier.constructor', dtype: 'BOOL', shape: [3], bytes: () => Uint8Array.of(1, 0, 1) });
  tensors.push({ name: 'cls.header', dtype: 'F64', shape: [0, 4], bytes: () => new Uint8Array(0) });
  tensors.push({ name: 'classifier.weight', dtype: 'F32', shape: [2, 45], bytes: () => new Uint8Array(360).fill(7) });
  writeSafetensors(path.join(base, 'model.safetensors'), tensors);
  file.close();
  const out = fresh();
  undoCheckpoint(await merge(base, TINY), out);
  expectSameFiles(out, base);
});

test.each([
  ['F32', 'float32'],
  ['BF16', 'float32'],
  ['F16', 'base'],
] as const)('so is a sharded base in %s, file by file, merged as %s', async (format, dtype) => {
  const whole = copyModel(path.join(FIXTURES, 'tiny-bert'), fresh(), format);
  const base = shardModel(whole, fresh(), 3);
  const merged = await merge(base, TINY, dtype);
  const out = fresh();
  undoCheckpoint(merged, out);
  expectSameFiles(out, base);

  const single = await merge(whole, TINY, dtype);
  const bytes = [merged, single].map((folder) => fs.readFileSync(path.join(folder, 'model.safetensors')));
  expect(bytes[0].equals(bytes[1])).toBe(true);
  touch(path.join(merged, UNDO_FILE), 'tensor/cls.predictions.bias');
  expect(() => undoCheckpoint(merged, fresh())).toThrow('is not the base');
});

test('a sharded base of one file is rebuilt byte for byte', async () => {
  const base = shardModel(path.join(FIXTURES, 'one-head-bert'), fresh(), 1);
  const out = fresh();
  undoCheckpoint(await merge(base, { heads: [[0]] }), out);
  expectSameFiles(out, base);
});

test('a plan that names a file of another folder is refused', async () => {
  const merged = await merge(path.join(FIXTURES, 'one-head-bert'), { heads: [[0]] });
  const file = path.join(merged, UNDO_FILE);
  const undo = SafetensorsFile.open(file);
  const plan = JSON.parse(undo.metadata.plan);
  plan.base.files[0].name = '../model.safetensors';
  const tensors = [...undo.tensors].map(([name, tensor]) => ({ ...tensor, name, bytes: () => undo.bytes(name) }));
  writeSafetensors(`${file}.changed`, tensors, { ...undo.metadata, plan: JSON.stringify(plan) });
  undo.close();
  fs.renameSync(`${file}.changed`, file);
  expect(() => undoCheckpoint(merged, fresh())).toThrow('its metadata holds no plan for undoing a merge');
});

/** Changes the byte at `offset` of a tensor. */
function touch(file: string, tensor: string, offset = 0): void {
  const opened = SafetensorsFile.open(file);
  const at = opened.entry(tensor).begin;
  opened.close();
  const bytes = fs.readFileSync(file);
  bytes[at + offset] ^= 1;
  fs.writeFileSync(file, bytes);
}

test.each([
  [
    'an untuned tensor of the checkpoint',
    'model.safetensors',
    'bert.embeddings.word_embeddings.weight',
    'is not the base tiny-bert',
  ],
  ['a displaced row', UNDO_FILE, 'rows/bert.encoder.layer.0.attention.self.query.bias', 'is not the base tiny-bert'],
  ['the header', UNDO_FILE, 'header/model.safetensors', 'header is not JSON'],
])('a change in %s is an error, and no file remains', async (_, name, tensor, message) => {
  const merged = await merge(path.join(FIXTURES, 'tiny-bert'), TINY);
  touch(path.join(merged, name), tensor, 8);
  const parent = fresh();
  expect(() => undoCheckpoint(merged, path.join(parent, 'out'))).toThrow(
    expect.objectContaining({ code: 'FAILED', message: expect.stringContaining(message) }),
  );
  expect(fs.existsSync(parent)).toBe(false);
});

test('a change of the task head has no effect, because the base has none', async () => {
  const merged = await merge(path.join(FIXTURES, 'tiny-bert'), TINY);
  touch(path.join(merged, 'model.safetensors'), 'classifier.weight');
  const out = fresh();
  undoCheckpoint(merged, out);
  expectSameFiles(out, path.join(FIXTURES, 'tiny-bert'));
});

test('a folder that is no merged checkpoint is refused', () => {
  const base = path.join(FIXTURES, 'tiny-bert');
  expect(() => undoCheckpoint(base, fresh())).toThrow(`${base} is not a merged checkpoint: it lacks undo.safetensors`);
});

test('existing files stay', async () => {
  const merged = await merge(path.join(FIXTURES, 'tiny-bert'), TINY);
  expect(() => undoCheckpoint(merged, merged)).toThrow('give a new or an empty folder');
  expect(fs.existsSync(path.join(merged, UNDO_FILE))).toBe(true);
});
