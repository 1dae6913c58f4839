import * as fs from 'node:fs';
import * as path from 'node:path';
import { exportCheckpoint } from '../../delta/checkpoint-export';
import { readTaskHead } from '../../delta/classifier-config';
import { applyDelta, type Delta } from '../../delta/delta';
import { UNDO_FILE, undoCheckpoint } from '../../delta/undo';
import { readJsonObject } from '../../foundation/json-file';
import { bert } from '../../model/architectures/bert';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { roundTo } from '../../model/rounding';
import { SafetensorsFile, writeSafetensors } from '../../model/safetensors';
import { loadTokenizer } from '../../model/tokenizer';
import {
  casedModel,
  copyModel,
  type DeltaShape,
  expectSameFiles,
  FIXTURES,
  randomDelta,
  temporaryFolder,
} from '../support/deltas';

const folder = temporaryFolder('export');
let count = 0;
const fresh = () => path.join(folder, `${count++}`);
const opened: Checkpoint[] = [];
const open = async (base: string) => {
  const checkpoint = await openCheckpoint(base);
  opened.push(checkpoint);
  return checkpoint;
};
afterAll(() => {
  for (const checkpoint of opened) checkpoint.close();
  fs.rmSync(folder, { recursive: true });
});

const TINY: DeltaShape = { heads: [[3], [0, 2, 4]], tune: 'qkvo', labels: ['nö', '__proto__', '2'] };
/** Copies a model and adds a wrapper's prefix to each of its tensors. */
function wrappedModel(from: string, wrapper: string): string {
  const to = fresh();
  fs.cpSync(from, to, { recursive: true });
  const file = SafetensorsFile.open(path.join(from, 'model.safetensors'));
  const tensors = [...file.tensors].map(([name, { dtype, shape }]) => {
    const bytes = file.bytes(name);
    return { name: wrapper + name, dtype, shape, bytes: () => bytes };
  });
  file.close();
  writeSafetensors(path.join(to, 'model.safetensors'), tensors, { format: 'pt' });
  return to;
}

const readConfig = (of: string) => JSON.parse(fs.readFileSync(path.join(of, 'config.json'), 'utf8'));
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Checks that all tensors of a merged checkpoint have the delta's numbers, else the base's. */
function expectMerged(merged: Checkpoint, base: Checkpoint, delta: Delta): void {
  const touched = applyDelta(base, delta);
  const untouched = bert.tensors(base.config).filter(({ name }) => !touched.has(name));
  for (const [name, values] of touched) {
    expect([name, Buffer.compare(bytesOf(merged.tensor(name)), bytesOf(values()))]).toEqual([name, 0]);
  }
  for (const { name } of untouched) {
    expect([name, Buffer.compare(bytesOf(merged.tensor(name)), bytesOf(base.tensor(name)))]).toEqual([name, 0]);
  }
  expect(merged.weights.tensors.size).toBe(touched.size + untouched.length);
}

// merged-golden.test.ts shows for the model without wrappers that transformers finds exactly its
// tensors.
test.each(['tiny-bert', 'tiny-roberta', 'tiny-distilbert'])(
  '%s with wrappers before its names gives the same checkpoint as without, and is undone to its bytes',
  async (name) => {
    const plain = path.join(FIXTURES, name);
    const wrapped = wrappedModel(plain, 'module._orig_mod.');
    const merged: string[] = [];
    for (const from of [plain, wrapped]) {
      const base = await open(from);
      const out = fresh();
      await exportCheckpoint({
        checkpoint: base,
        delta: randomDelta(base, { heads: [[1], [0, 2]], tune: 'qkvo', labels: ['a', 'b'] }),
        dtype: 'base',
        out,
      });
      merged.push(out);
    }
    const [expected, found] = merged.map((out) => fs.readFileSync(path.join(out, 'model.safetensors')));
    expect(found.equals(expected)).toBe(true);
    expect({ ...readConfig(merged[1]), _name_or_path: '' }).toEqual({ ...readConfig(merged[0]), _name_or_path: '' });
    const undone = fresh();
    undoCheckpoint(merged[1], undone);
    expectSameFiles(undone, wrapped);
  },
);

test.each<[string, DeltaShape]>([
  ['tiny-bert', TINY],
  ['tiny-bert', { heads: [[], [1, 2]] }],
  ['one-head-bert', { heads: [[0]], labels: ['no', 'yes'] }],
])('%s with a merged delta opens as a base, with its task head', async (name, shape) => {
  const base = await open(path.join(FIXTURES, name));
  const delta = randomDelta(base, shape);
  const out = fresh();
  expect(await exportCheckpoint({ checkpoint: base, delta, dtype: 'float32', out })).toEqual({ notes: [] });
  const merged = await open(out);
  expectMerged(merged, base, delta);
  expect((merged.weights.files[0] as SafetensorsFile).metadata).toEqual({ format: 'pt' });
  for (const [stored, { dtype }] of merged.weights.tensors) {
    expect(dtype).toBe('F32');
    expect(stored).toMatch(/^(bert\.(embeddings|encoder|pooler)\.|classifier\.(weight|bias)$)/);
  }

  expect(readTaskHead(base)).toBeUndefined();
  const head = readTaskHead(merged)!;
  const { id2label, problemType, task } = delta.info;
  expect(head.info).toEqual({ id2label, problemType, task });
  for (const part of ['classifier.weight', 'classifier.bias']) {
    expect(head.tensors.get(part)).toEqual(delta.tensors.get(part));
  }
  expect([...head.tensors.keys()].sort()).toEqual([
    'classifier.bias',
    'classifier.weight',
    'pooler.dense.bias',
    'pooler.dense.weight',
  ]);
});

test("config.json is the base's, except for the fields of a classifier", async () => {
  const base = copyModel(path.join(FIXTURES, 'tiny-bert'), fresh(), 'F32');
  const raw = {
    ...readConfig(base),
    torch_dtype: 'float16',
    num_labels: 7,
    finetuning_task: 'sst2',
    custom: { kept: true },
  };
  fs.writeFileSync(path.join(base, 'config.json'), JSON.stringify(raw));
  const checkpoint = await open(base);
  const delta = randomDelta(checkpoint, TINY);
  delta.info.task = 'mnli';
  const [classes, regression] = [fresh(), fresh()];
  await exportCheckpoint({ checkpoint, delta, dtype: 'float32', out: classes });
  const { torch_dtype, num_labels, ...kept } = raw;
  const expected = {
    ...kept,
    architectures: ['BertForSequenceClassification'],
    dtype: 'float32',
    finetuning_task: 'mnli',
    id2label: { 0: 'nö', 1: '__proto__', 2: '2' },
    label2id: JSON.parse('{"nö":0,"__proto__":1,"2":2}'),
    problem_type: 'single_label_classification',
  };
  expect(readConfig(classes)).toEqual(expected);
  expect(readTaskHead(await open(classes))!.info.task).toBe('mnli');

  await exportCheckpoint({
    checkpoint,
    delta: randomDelta(checkpoint, { heads: [[], []] }),
    dtype: 'float32',
    out: regression,
  });
  const { finetuning_task, ...rest } = expected;
  expect(readConfig(regression)).toEqual({
    ...rest,
    id2label: { 0: 'LABEL_0' },
    label2id: { LABEL_0: 0 },
    problem_type: 'regression',
    sentence_transformers: { activation_fn: 'torch.nn.modules.linear.Identity' },
  });
});

test("the tokenizer's files are copied", async () => {
  const base = copyModel(path.join(FIXTURES, 'tiny-bert'), fresh(), 'F32');
  fs.writeFileSync(path.join(base, 'vocab.txt'), '[PAD]\n');
  fs.writeFileSync(path.join(base, 'special_tokens_map.json'), '{}');
  fs.writeFileSync(path.join(base, 'README.md'), 'not part of it');
  const checkpoint = await open(base);
  const out = fresh();
  await exportCheckpoint({ checkpoint, delta: randomDelta(checkpoint, TINY), dtype: 'float32', out });
  const copied = ['special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json', 'vocab.txt'];
  expect(fs.readdirSync(out).sort()).toEqual(['config.json', 'model.safetensors', ...copied, UNDO_FILE].sort());
  for (const name of copied) {
    expect(fs.readFileSync(path.join(out, name), 'utf8')).toBe(fs.readFileSync(path.join(base, name), 'utf8'));
  }
});

test.each([
  // The tokenizer of tiny-qwen3 ends texts with </s>, which also pads.
  ['tiny-qwen3', 1, '<pad>'],
  // That of tiny-llama names no padding token: </s> ends a text, but the tokenizer does not add it.
  ['tiny-llama', 2, '</s>'],
])('%s and its tokenizer get the same padding token; undone, the base has its own', async (name, id, text) => {
  const base = fresh();
  fs.cpSync(path.join(FIXTURES, name), base, { recursive: true });
  fs.writeFileSync(path.join(base, 'special_tokens_map.json'), '{"pad_token": "</s>"}');
  const shape = { heads: [[0], [1]], labels: ['no', 'yes'] };
  for (const missing of [[], ['tokenizer_config.json', 'special_tokens_map.json']]) {
    for (const file of missing) fs.rmSync(path.join(base, file));
    const checkpoint = await open(base);
    const [out, undone] = [fresh(), fresh()];
    await exportCheckpoint({ checkpoint, delta: randomDelta(checkpoint, shape), dtype: 'float32', out });
    const read = (file: string) => JSON.parse(fs.readFileSync(path.join(out, file), 'utf8'));
    expect(readConfig(out).pad_token_id).toBe(id);
    expect(read('tokenizer_config.json').pad_token).toBe(text);
    if (missing.length === 0) expect(read('special_tokens_map.json')).toEqual({ pad_token: text });
    expect((await open(out)).config.padTokenId).toBe(id);
    undoCheckpoint(out, undone);
    expectSameFiles(undone, base);
  }
});

test('settings that only tokenizer.json has are named for transformers; undone, the base has its own files', async () => {
  const base = casedModel(fresh());
  const tokens = (folder: string) => Array.from(loadTokenizer(folder).tokenIds('The Sea is a sea, café'));
  for (const missing of [[], ['tokenizer_config.json']]) {
    for (const file of missing) fs.rmSync(path.join(base, file));
    const checkpoint = await open(base);
    const [out, undone] = [fresh(), fresh()];
    await exportCheckpoint({ checkpoint, delta: randomDelta(checkpoint, TINY), dtype: 'float32', out });
    const [own, merged] = [base, out].map((folder) => readJsonObject(path.join(folder, 'tokenizer_config.json')) ?? {});
    expect(merged).toEqual({ ...own, do_lower_case: false, strip_accents: true });
    expect(tokens(out)).toEqual(tokens(base));
    undoCheckpoint(out, undone);
    expectSameFiles(undone, base);
  }
});

describe.each([
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
] as const)('a base in %s', (format, called) => {
  const base = copyModel(path.join(FIXTURES, 'tiny-bert'), fresh(), format);

  test('is merged in F32 by default: its own numbers are widened exactly, the tuned ones unchanged', async () => {
    const checkpoint = await open(base);
    const delta = randomDelta(checkpoint, TINY);
    const out = fresh();
    expect(await exportCheckpoint({ checkpoint, delta, dtype: 'float32', out })).toEqual({ notes: [] });
    const merged = await open(out);
    expectMerged(merged, checkpoint, delta);
    expect(new Set([...merged.weights.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
    expect(readConfig(out).dtype).toBe('float32');
  });

  test("is merged in its own type on request: tuned parameters are rounded, with a note; the rest has the base's bytes", async () => {
    const checkpoint = await open(base);
    const delta = randomDelta(checkpoint, TINY);
    const out = fresh();
    const { notes } = await exportCheckpoint({ checkpoint, delta, dtype: 'base', out });
    expect(notes).toEqual([`tuned weights and the task head were rounded to the base's ${called}`]);
    expect(readConfig(out).dtype).toBe(called);
    const merged = SafetensorsFile.open(path.join(out, 'model.safetensors'));
    const touched = applyDelta(checkpoint, delta);
    for (const { name } of bert.tensors(checkpoint.config)) {
      expect(merged.entry(`bert.${name}`).dtype).toBe(format);
      const merge = touched.get(name);
      const expected = merge ? roundTo(format, merge()) : checkpoint.weights.bytes(checkpoint.storedName(name)!);
      expect([name, Buffer.compare(merged.bytes(`bert.${name}`), expected)]).toEqual([name, 0]);
    }
    merged.close();
  });
});

test('a tuned parameter that F16 cannot hold is refused, and no file remains', async () => {
  const checkpoint = await open(copyModel(path.join(FIXTURES, 'tiny-bert'), fresh(), 'F16'));
  const parent = fresh();
  const request = {
    checkpoint,
    delta: randomDelta(checkpoint, { ...TINY, scale: 1e5 }),
    out: path.join(parent, 'out'),
  };
  await expect(exportCheckpoint({ ...request, dtype: 'base' })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringMatching(/too large for the base's float16: export as float32$/),
  });
  expect(fs.existsSync(parent)).toBe(false);
  await exportCheckpoint({ ...request, dtype: 'float32' });
  expect(fs.readdirSync(parent)).toEqual(['out']);
});

test('a delta of another base, or a folder that is not empty, is refused', async () => {
  const tiny = await open(path.join(FIXTURES, 'tiny-bert'));
  const other = await open(path.join(FIXTURES, 'one-head-bert'));
  const delta = randomDelta(tiny, TINY);
  const full = fresh();
  fs.mkdirSync(full);
  fs.writeFileSync(path.join(full, 'mine'), '');
  await expect(exportCheckpoint({ checkpoint: other, delta, dtype: 'float32', out: fresh() })).rejects.toThrow(
    `trained on tiny-bert (sha256 ${tiny.sha256}), not on one-head-bert (sha256 ${other.sha256})`,
  );
  await expect(exportCheckpoint({ checkpoint: tiny, delta, dtype: 'float32', out: full })).rejects.toThrow(
    'holds mine: give a new or an empty folder',
  );
  expect(fs.readdirSync(full)).toEqual(['mine']);
});

test('a base that changed after it was opened is an error', async () => {
  const base = copyModel(path.join(FIXTURES, 'tiny-bert'), fresh(), 'F32');
  const checkpoint = await open(base);
  const handle = fs.openSync(path.join(base, 'model.safetensors'), 'r+');
  fs.writeSync(handle, Buffer.from([1]), 0, 1, checkpoint.weights.files[0].size - 4);
  fs.closeSync(handle);
  const out = fresh();
  await expect(
    exportCheckpoint({ checkpoint, delta: randomDelta(checkpoint, TINY), dtype: 'float32', out }),
  ).rejects.toMatchObject({ code: 'FAILED' });
  expect(fs.existsSync(out)).toBe(false);
});

describe('a stored task head', () => {
  const exported = fresh();
  beforeAll(async () => {
    const checkpoint = await open(path.join(FIXTURES, 'tiny-bert'));
    await exportCheckpoint({ checkpoint, delta: randomDelta(checkpoint, TINY), dtype: 'float32', out: exported });
  });
  const withConfig = async (change: Record<string, unknown>) => {
    const copy = fresh();
    fs.cpSync(exported, copy, { recursive: true });
    fs.writeFileSync(path.join(copy, 'config.json'), JSON.stringify({ ...readConfig(exported), ...change }));
    return readTaskHead(await open(copy));
  };

  test('has the defaults of transformers if config.json lacks fields', async () => {
    const head = await withConfig({
      id2label: undefined,
      label2id: undefined,
      problem_type: undefined,
      architectures: undefined,
    });
    expect(head!.info).toEqual({
      id2label: { 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' },
      problemType: 'single_label_classification',
      task: null,
    });
  });

  test('of another kind of model is ignored', async () => {
    expect(await withConfig({ architectures: ['BertForMultipleChoice'] })).toBeUndefined();
  });

  test.each<[Record<string, unknown>, string]>([
    [{ problem_type: 'ranking' }, 'problem_type is "ranking"'],
    [{ problem_type: 'multi_label_classification', thresholds: [0.5] }, 'thresholds is [0.5]; it must be 3 numbers'],
    [{ thresholds: [0.5, 0.5, 0.5] }, 'only for multi_label_classification'],
    [{ problem_type: 'regression' }, 'as the task head has 3 outputs'],
    [{ id2label: { 0: 'a', 1: 'b' } }, 'id2label is {"0":"a","1":"b"}; it must be an object of 3 different labels'],
    [{ id2label: { 0: 'a', 1: 'b', 3: 'c' } }, 'numbered from "0"'],
  ])('with %p is refused', async (change, message) => {
    await expect(withConfig(change)).rejects.toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining(message) }),
    );
  });
});

test("a float of the base's config.json stays one, as transformers 5 requires it", async () => {
  const base = await open(path.join(FIXTURES, 'tiny-modernbert'));
  const out = fresh();
  const shape = { heads: [[1], [], [0]], labels: ['no', 'yes'] };
  await exportCheckpoint({ checkpoint: base, delta: randomDelta(base, shape), dtype: 'float32', out });
  const text = fs.readFileSync(path.join(out, 'config.json'), 'utf8');
  expect(text).toContain('"initializer_cutoff_factor": 2.0,\n');
  expect(text).toContain('"global_rope_theta": 5000.0,\n');
  expect(text).toContain('"num_hidden_layers": 3,\n');
});
