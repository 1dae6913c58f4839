import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { HifiError } from '../../foundation/errors';
import { architectureOf } from '../../model/architectures';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { SafetensorsFile, type TensorSource, writeSafetensors } from '../../model/safetensors';

/** Model of Python's safetensors: `bert.` names, a pooler, another head, an I64 position_ids. */
const TINY = path.join(__dirname, '../fixtures/tiny-bert');
/** Model without prefix and pooler. */
const ONE_HEAD = path.join(__dirname, '../fixtures/one-head-bert');

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-checkpoint-'));
const opened: Checkpoint[] = [];
afterAll(() => {
  for (const checkpoint of opened) checkpoint.close();
  fs.rmSync(root, { recursive: true });
});

async function open(folder: string, name?: string): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(folder, name);
  opened.push(checkpoint);
  return checkpoint;
}

/** Copies a model folder with other settings and tensors. */
function copy(
  from: string,
  {
    config = {},
    tensors = (list: TensorSource[]) => list,
  }: { config?: object; tensors?: (list: TensorSource[]) => TensorSource[] },
): string {
  const folder = fs.mkdtempSync(path.join(root, 'model-'));
  const settings = JSON.parse(fs.readFileSync(path.join(from, 'config.json'), 'utf8'));
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ ...settings, ...config }));
  const file = SafetensorsFile.open(path.join(from, 'model.safetensors'));
  const list = [...file.tensors].map(([name, { dtype, shape }]) => {
    const bytes = file.bytes(name);
    return { name, dtype, shape, bytes: () => bytes };
  });
  file.close();
  writeSafetensors(path.join(folder, 'model.safetensors'), tensors(list));
  return folder;
}

const renamed = (from: RegExp, to: string) => (list: TensorSource[]) =>
  list.map((tensor) => ({ ...tensor, name: tensor.name.replace(from, to) }));
const without = (pattern: RegExp) => (list: TensorSource[]) => list.filter(({ name }) => !pattern.test(name));
const changed = (name: string, change: Partial<TensorSource>) => (list: TensorSource[]) =>
  list.map((tensor) => (tensor.name === name ? { ...tensor, ...change } : tensor));

async function refusal(folder: string): Promise<string> {
  const error = await openCheckpoint(folder).then(
    () => new Error('was not refused'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HifiError);
  expect((error as HifiError).code).toBe('INVALID_INPUT');
  expect((error as HifiError).message).not.toContain('\n');
  return (error as HifiError).message;
}

describe('a checkpoint', () => {
  test('with a prefix and a pooler', async () => {
    const checkpoint = await open(TINY);
    const bytes = fs.readFileSync(path.join(TINY, 'model.safetensors'));
    expect(checkpoint.name).toBe('tiny-bert');
    expect(checkpoint.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    const [d, i] = [45, 70];
    const layer = 4 * (d * d + d) + (i * d + i) + (d * i + d) + 4 * d;
    expect(checkpoint.parameters).toBe((300 + 64 + 2) * d + 2 * d + 2 * layer + d * d + d);
    expect(checkpoint.storedName('pooler.dense.bias')).toBe('bert.pooler.dense.bias');
    expect(checkpoint.has('pooler.dense.bias')).toBe(true);
    expect(checkpoint.has('classifier.weight')).toBe(false);
    const query = checkpoint.tensor('encoder.layer.1.attention.self.query.weight');
    const { begin, end } = checkpoint.weights.entry('bert.encoder.layer.1.attention.self.query.weight');
    expect(Buffer.from(query.buffer)).toEqual(bytes.subarray(begin, end));
  });

  test('without either also counts a pooler', async () => {
    const checkpoint = await open(ONE_HEAD, 'my-model');
    expect(checkpoint.name).toBe('my-model');
    expect(checkpoint.has('pooler.dense.weight')).toBe(false);
    expect(() => checkpoint.tensor('pooler.dense.weight')).toThrow('has no tensor "pooler.dense.weight"');
    const stored = [...checkpoint.weights.tensors.values()].reduce(
      (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
      0,
    );
    expect(checkpoint.parameters).toBe(stored + 8 * 8 + 8);
    expect(checkpoint.storedName('embeddings.LayerNorm.bias')).toBe('embeddings.LayerNorm.bias');
  });

  test('the classifier of a tuned model is stored without the prefix', async () => {
    const head = { name: 'classifier.weight', dtype: 'F32', shape: [2, 45], bytes: () => new Uint8Array(2 * 45 * 4) };
    const checkpoint = await open(copy(TINY, { tensors: (list) => [...list, head] }));
    expect(checkpoint.storedName('classifier.weight')).toBe('classifier.weight');
    expect(checkpoint.tensor('classifier.weight')).toEqual(new Float32Array(90));
    expect(checkpoint.parameters).toBe((await open(TINY)).parameters);
  });

  test('the old names of layer norms', async () => {
    const old = copy(TINY, {
      tensors: (list) =>
        renamed(/LayerNorm\.weight$/, 'LayerNorm.gamma')(renamed(/LayerNorm\.bias$/, 'LayerNorm.beta')(list)),
    });
    const [today, checkpoint] = [await open(TINY), await open(old)];
    const name = 'encoder.layer.0.output.LayerNorm.weight';
    expect(checkpoint.storedName(name)).toBe('bert.encoder.layer.0.output.LayerNorm.gamma');
    expect(checkpoint.tensor(name)).toEqual(today.tensor(name));
  });

  test.each(['_orig_mod.', 'module.', 'model.', '0.auto_model.', 'module._orig_mod.'])(
    'with the prefix of a wrapper before all names: %s',
    async (wrapper) => {
      const today = await open(TINY);
      const wrapped = await open(copy(TINY, { tensors: renamed(/^/, wrapper) }));
      expect(wrapped.parameters).toBe(today.parameters);
      expect(wrapped.storedName('pooler.dense.bias')).toBe(`${wrapper}bert.pooler.dense.bias`);
      const name = 'encoder.layer.1.attention.self.query.weight';
      expect(wrapped.tensor(name)).toEqual(today.tensor(name));
      const bare = await open(copy(TINY, { tensors: renamed(/^(bert\.)?/, wrapper) }));
      expect(bare.storedName(name)).toBe(wrapper + name);
      const some = copy(TINY, { tensors: renamed(/^bert\./, `${wrapper}bert.`) });
      expect(await refusal(some)).toMatch(/has no tensor "embeddings.word_embeddings.weight"; .*, its first is "/);
      const deeper = copy(TINY, { config: { num_hidden_layers: 1 }, tensors: renamed(/^/, wrapper) });
      expect(await refusal(deeper)).toContain('is of layer 1; config.json says num_hidden_layers 1');
    },
  );

  test('half-precision weights are widened', async () => {
    const halves = new Uint8Array(new Uint16Array(45).fill(0x3e00).buffer);
    const name = 'bert.encoder.layer.0.attention.self.value.bias';
    const checkpoint = await open(copy(TINY, { tensors: changed(name, { dtype: 'F16', bytes: () => halves }) }));
    expect(checkpoint.tensor('encoder.layer.0.attention.self.value.bias')).toEqual(new Float32Array(45).fill(1.5));
  });
});

/** Models of transformers, with its names, number formats and tensors that no encoder has. */
describe('a checkpoint of each family', () => {
  test.each<[name: string, stored: string, dtype: string, beside: string[]]>([
    ['tiny-roberta', 'roberta.encoder.layer.1.attention.self.query.weight', 'F32', ['lm_head.bias']],
    ['tiny-xlm-roberta', 'encoder.layer.1.attention.self.query.weight', 'BF16', []],
    ['tiny-distilbert', 'distilbert.transformer.layer.1.attention.q_lin.weight', 'F16', ['vocab_transform.weight']],
    [
      'tiny-electra',
      'electra.encoder.layer.1.attention.self.query.weight',
      'F32',
      ['discriminator_predictions.dense.weight'],
    ],
    ['one-head-electra', 'encoder.layer.0.attention.self.query.weight', 'BF16', []],
    ['seven-heads-bert', 'encoder.layer.0.attention.self.query.weight', 'F16', []],
    ['sharded-bert', 'bert.encoder.layer.1.attention.self.query.weight', 'BF16', ['classifier.weight']],
    ['tiny-modernbert', 'model.layers.1.attn.Wqkv.weight', 'F32', ['decoder.bias']],
  ])('%s', async (name, stored, dtype, beside) => {
    const checkpoint = await open(path.join(TINY, '..', name));
    const { weights, config } = checkpoint;
    expect(weights.entry(stored).dtype).toBe(dtype);
    const tensors = architectureOf(config).tensors(config);
    const ofBase = new Set(tensors.map((tensor) => checkpoint.storedName(tensor.name)));
    const others = [...weights.tensors.keys()].filter((each) => !ofBase.has(each));
    for (const each of beside) expect(others).toContain(each);
    if (beside.length === 0) expect(others).toEqual([]);
    // All other stored numbers are the base's; a pooler counts even if it is not stored.
    const count = (names: Iterable<string>) =>
      [...names].reduce((sum, each) => sum + weights.entry(each).shape.reduce((a, b) => a * b, 1), 0);
    const missing = tensors.filter((each) => each.optional && !checkpoint.has(each.name));
    const pooler = missing.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(checkpoint.parameters).toBe(count(weights.tensors.keys()) - count(others) + pooler);
  });

  test("a classifier's own dense layer is not part of the base", async () => {
    const d = 24;
    const zeros = (name: string, shape: number[]): TensorSource => {
      const size = shape.reduce((a, b) => a * b, 4);
      return { name, dtype: 'F32', shape, bytes: () => new Uint8Array(size) };
    };
    const roberta = path.join(TINY, '..', 'tiny-roberta');
    const head = [
      zeros('classifier.dense.weight', [d, d]),
      zeros('classifier.dense.bias', [d]),
      zeros('classifier.out_proj.weight', [3, d]),
      zeros('classifier.out_proj.bias', [3]),
      { ...zeros('roberta.embeddings.position_ids', [1, 42]), dtype: 'I64', bytes: () => new Uint8Array(42 * 8) },
    ];
    const config = { architectures: ['RobertaForSequenceClassification'] };
    const checkpoint = await open(copy(roberta, { config, tensors: (list) => [...list, ...head] }));
    const base = await open(roberta);
    expect(checkpoint.parameters).toBe(base.parameters);
    expect(checkpoint.storedName('classifier.dense.weight')).toBe('classifier.dense.weight');
    const query = 'encoder.layer.0.attention.self.query.weight';
    expect(checkpoint.tensor(query)).toEqual(base.tensor(query));
  });

  test.each([
    [
      'tiny-electra',
      /embeddings_project\.bias/,
      'has no tensor "embeddings_project.bias"; config.json requires one of shape [20]',
    ],
    ['tiny-distilbert', /sa_layer_norm\.bias/, 'has no tensor "transformer.layer.0.sa_layer_norm.bias"'],
    [
      'tiny-roberta',
      /position_embeddings/,
      'has no tensor "embeddings.position_embeddings.weight"; config.json requires one of shape [42, 24]',
    ],
  ])('%s lacks a tensor', async (name, tensor, message) => {
    expect(await refusal(copy(path.join(TINY, '..', name), { tensors: without(tensor) }))).toContain(message);
  });
});

describe('what is refused', () => {
  const query = 'bert.encoder.layer.0.attention.self.query.weight';

  test.each<[string, object, string]>([
    [
      'hidden_size',
      { hidden_size: 50 },
      '"bert.embeddings.word_embeddings.weight" has shape [300, 45]; config.json requires [300, 50]',
    ],
    [
      'vocab_size',
      { vocab_size: 301 },
      '"bert.embeddings.word_embeddings.weight" has shape [300, 45]; config.json requires [301, 45]',
    ],
    [
      'max_position_embeddings',
      { max_position_embeddings: 63 },
      'position_embeddings.weight" has shape [64, 45]; config.json requires [63, 45]',
    ],
    [
      'type_vocab_size',
      { type_vocab_size: 1 },
      'token_type_embeddings.weight" has shape [2, 45]; config.json requires [1, 45]',
    ],
    [
      'intermediate_size',
      { intermediate_size: 71 },
      'layer.0.intermediate.dense.weight" has shape [70, 45]; config.json requires [71, 45]',
    ],
    [
      'more layers',
      { num_hidden_layers: 3 },
      'has no tensor "encoder.layer.2.attention.self.query.weight"; config.json requires one of shape [45, 45]',
    ],
    [
      'fewer layers',
      { num_hidden_layers: 1 },
      'is of layer 1; config.json says num_hidden_layers 1, so the last layer is 0',
    ],
  ])('a config that contradicts the weights: %s', async (_, config, message) => {
    const folder = copy(TINY, { config });
    expect(await refusal(folder)).toMatch(path.join(folder, 'model.safetensors'));
    expect(await refusal(folder)).toContain(message);
  });

  test.each<[string, (list: TensorSource[]) => TensorSource[], string]>([
    [
      'a missing tensor',
      without(/layer\.1\.output\.dense\.bias/),
      'has no tensor "encoder.layer.1.output.dense.bias"; config.json requires one of shape [45]',
    ],
    ['half a pooler', without(/pooler\.dense\.bias/), 'has no tensor "pooler.dense.bias"'],
    [
      'another shape',
      changed(query, { shape: [2025] }),
      `tensor "${query}" has shape [2025]; config.json requires [45, 45]`,
    ],
    ['another type', changed(query, { dtype: 'I32' }), `tensor "${query}" is I32; it must be F32, F16, BF16`],
    ['another model', renamed(/^bert\./, 'roberta.'), 'has no tensor "embeddings.word_embeddings.weight"'],
  ])('%s', async (_, tensors, message) => {
    expect(await refusal(copy(TINY, { tensors }))).toContain(message);
  });

  test.each([
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
  ])('a weight of %s is found when its tensor is read', async (value, shown) => {
    const values = new Float32Array(45 * 45);
    values[7 * 45 + 3] = value;
    const folder = copy(TINY, { tensors: changed(query, { bytes: () => new Uint8Array(values.buffer) }) });
    const checkpoint = await open(folder);
    expect(() => checkpoint.tensor('encoder.layer.0.attention.self.query.weight')).toThrow(
      `tensor "${query}" holds ${shown} at [7, 3]; weights must be finite numbers`,
    );
    expect(() => checkpoint.tensor('encoder.layer.0.attention.self.query.weight', 7)).toThrow(`${shown} at [7, 3]`);
    expect(checkpoint.tensor('encoder.layer.0.attention.self.query.weight', 6)).toEqual(new Float32Array(45));
    expect(checkpoint.tensor('encoder.layer.1.attention.self.query.weight')).toHaveLength(2025);
  });

  test.each(['tiny-roberta', 'tiny-distilbert', 'tiny-xlm-roberta'])(
    'a row of %s (F32, F16, BF16) is that of the whole tensor',
    async (name) => {
      const checkpoint = await open(path.join(TINY, '..', name));
      const whole = checkpoint.tensor('embeddings.word_embeddings.weight');
      const { vocabSize, hiddenSize } = checkpoint.config;
      for (const row of [0, 1, vocabSize - 1]) {
        const expected = whole.slice(row * hiddenSize, (row + 1) * hiddenSize);
        expect(checkpoint.tensor('embeddings.word_embeddings.weight', row)).toEqual(expected);
      }
    },
  );

  test.each([
    ['nothing', [], 'model.safetensors: no such file; a model folder holds'],
    [
      'an empty pickle',
      ['pytorch_model.bin'],
      'pytorch_model.bin: was not written by torch.save (it begins with nothing)',
    ],
  ])('no weights but %s', async (_, beside, message) => {
    const folder = fs.mkdtempSync(path.join(root, 'bare-'));
    fs.copyFileSync(path.join(TINY, 'config.json'), path.join(folder, 'config.json'));
    for (const name of beside) fs.writeFileSync(path.join(folder, name), '');
    expect(await refusal(folder)).toContain(message);
  });

  test('a truncated file', async () => {
    const folder = copy(TINY, {});
    fs.truncateSync(path.join(folder, 'model.safetensors'), 100_000);
    expect(await refusal(folder)).toContain('is it truncated?');
  });

  test('and leaves no file open', async () => {
    const open = () => fs.readdirSync('/proc/self/fd').length;
    const folder = copy(TINY, { config: { vocab_size: 301 } });
    const before = open();
    for (let i = 0; i < 5; i++) await refusal(folder);
    expect(open()).toBe(before);
  });
});
