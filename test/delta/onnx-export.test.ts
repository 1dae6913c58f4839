import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import { exportAdapter } from '../../delta/adapter-export';
import { exportCheckpoint } from '../../delta/checkpoint-export';
import { type Delta, readDelta, writeDelta } from '../../delta/delta';
import type { PredictEvent, Prediction } from '../../delta/inference-options';
import type { Logits } from '../../delta/logits';
import { type OnnxWork, publishOnnxFolder } from '../../delta/onnx-export';
import { type OnnxFiles, writeOnnxFiles } from '../../delta/onnx-files';
import { ONNX_FILES, type OnnxModel } from '../../delta/onnx-folder';
import { follow } from '../../foundation/follow';
import { isStaged } from '../../foundation/output-path';
import { Engine } from '../../infra/engine';
import { loadTensorFlow } from '../../infra/tensorflow';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { ONNX_DTYPES, type OnnxDtype } from '../../model/onnx-dtype';
import { logits, predict } from '../../trainer/inference';
import { PYTORCH, pythonWith, withPyTorch } from '../docs/reader';
import { casedModel, type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';
import { transformersJs } from '../support/js-pipelines';

/*
 * Logits of the exported folder in onnxruntime and in transformers.js against the trainer's, for
 * every family. The trainer runs in this process, the other two in processes of their own.
 */
const temporary = temporaryFolder('onnx');
/** Engine of infra/onnx, whose process stays for all calls. */
const onnx = new Engine({ entry: require.resolve('../../infra/onnx/child') });
afterAll(async () => {
  await onnx.close();
  fs.rmSync(temporary, { recursive: true });
});
const tf = loadTensorFlow('cpu');
const options = { batchSize: 8, maxLength: 512, device: 'cpu' as const, threads: 1 };
const DATA = path.join(FIXTURES, 'tiny-data');
const SENTENCES: DataSource = { path: path.join(DATA, 'dev.tsv'), textColumns: ['sentence'] };
const PAIRS: DataSource = { path: path.join(DATA, 'pairs.tsv'), textColumns: ['text_a', 'text_b'] };
const LABELS = ['no', 'maybe', 'yes'];
const withSegments = ['attention_mask', 'input_ids', 'token_type_ids'];
const without = ['attention_mask', 'input_ids'];

/** Bases with the chosen heads of each layer and the inputs that their tokenizers give. */
const CASES: [base: string, heads: number[][], inputs: string[]][] = [
  ['tiny-bert', [[1, 3], [0]], withSegments],
  ['one-head-bert', [[0]], withSegments],
  ['seven-heads-bert', [[2, 6]], withSegments],
  ['sharded-bert', [[0], [], [1]], withSegments],
  ['tiny-roberta', [[0, 3], [1]], without],
  ['tiny-xlm-roberta', [[], [2]], without],
  ['tiny-distilbert', [[1, 2, 3], [0]], without],
  ['tiny-electra', [[4], [0, 1], [2]], withSegments],
  ['one-head-electra', [[0]], withSegments],
  ['tiny-camembert', [[0, 2], [1]], without],
  ['tiny-mpnet', [[2], [0]], without],
  ['one-head-mpnet', [[0]], without],
  ['tiny-deberta', [[1, 3], [0]], withSegments],
  ['tiny-deberta-v2', [[0], [], [1, 2]], withSegments],
  ['one-head-deberta', [[0]], withSegments],
  ['tiny-modernbert', [[1, 3], [0], [2]], without],
  ['tiny-modernbert-mean', [[], [0, 2], [1]], without],
];

/** Decoders, which transformers.js does not know as classifiers. */
const DECODERS: [base: string, heads: number[][]][] = [
  ['tiny-llama', [[3], [0, 2]]],
  ['tiny-qwen2', [[0, 1], []]],
  ['tiny-qwen3', [[2], [], [1, 3]]],
];

/** First model of each family, exported in every type. */
const FAMILIES = [
  ...['tiny-bert', 'tiny-roberta', 'tiny-xlm-roberta', 'tiny-distilbert', 'tiny-electra'],
  ...['tiny-mpnet', 'tiny-deberta', 'tiny-deberta-v2', 'tiny-modernbert'],
];

/**
 * Largest differences of these models' logits from the trainer's in each type. The logits are of
 * the order of 1.
 */
const BOUNDS: Record<OnnxDtype, number> = { fp32: 1e-4, fp16: 5e-3, q8: 0.2 };

/** Runs a tool of {@link file://../fixtures/check_onnx.py}. */
const TOOLS = 'python3 -m pip install --quiet onnx==1.23.2 onnxruntime==1.32.0 onnxconverter-common==1.16.0';

interface Exported {
  model: string;
  delta: string;
  out: string;
  models: OnnxModel[];
  maxPositions: number;
}

const resultOf = <T>(events: AsyncGenerator<unknown, T>) => follow(events, () => {});

/** Writes an ONNX folder, checked by the trainer in this process. */
async function exported(
  model: string,
  shape: DeltaShape,
  { dtypes = ['fp32'], oneFileBytes }: Partial<Pick<OnnxFiles, 'dtypes' | 'oneFileBytes'>> = {},
): Promise<Exported> {
  const folder = fs.mkdtempSync(path.join(temporary, `${path.basename(model)}-`));
  const [delta, out] = [path.join(folder, 'delta'), path.join(folder, 'onnx')];
  let models: OnnxModel[] = [];
  let maxPositions = 0;
  await opened(model, async (checkpoint) => {
    maxPositions = checkpoint.config.maxPositions;
    const drawn = randomDelta(checkpoint, { scale: 0.3, ...shape });
    writeDelta(delta, drawn);
    models = await publishOnnxFolder(out, dtypes, {
      write: async (folder, dtypes) => writeOnnxFiles({ checkpoint, delta: drawn, dtypes, folder, oneFileBytes }),
      reference: (rows) => resultOf(logits(tf, { model, delta, rows, options })),
      answers: (folder, dtypes, rows) => resultOf(onnx.call('logits', { folder, dtypes, rows, options })),
    });
  });
  return { model, delta, out, models, maxPositions };
}

async function opened(model: string, use: (checkpoint: Checkpoint) => Promise<void>): Promise<void> {
  const checkpoint = await openCheckpoint(model);
  try {
    await use(checkpoint);
  } finally {
    checkpoint.close();
  }
}

async function predicted(events: AsyncGenerator<PredictEvent>): Promise<Prediction[]> {
  const rows: Prediction[] = [];
  for await (const event of events) if (event.kind === 'rows') rows.push(...event.rows);
  return rows;
}

/** Predictions by delta and file: several tests compare with the same ones. */
const ofTrainer = new Map<string, Promise<Prediction[]>>();
function byTrainer({ model, delta }: Exported, data: DataSource): Promise<Prediction[]> {
  const key = `${delta} ${data.path}`;
  const known = ofTrainer.get(key) ?? predicted(predict(tf, { model, delta, data, options }));
  ofTrainer.set(key, known);
  return known;
}
const byOnnxruntime = ({ out }: Exported, data: DataSource) =>
  predicted(onnx.call('predict', { model: out, data, options }));

function expectClose(found: number[][], expected: number[][], bound = BOUNDS.fp32): void {
  expect(found.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  const distance = found.flatMap((row, i) => row.map((logit, c) => Math.abs(logit - expected[i][c])));
  expect(Math.max(...distance)).toBeLessThan(bound);
}
const logitsOf = (rows: readonly Prediction[]) => rows.map((row) => row.logits);

/**
 * Writes the first rows with the starts of their texts; if transformers.js truncated, it would drop
 * `[SEP]`.
 */
function startsOf({ path: file, textColumns }: DataSource): { data: DataSource; texts: string[][] } {
  const [header, ...rows] = fs
    .readFileSync(file, 'utf8')
    .split('\n', 17)
    .map((line) => line.split('\t'));
  const texts = rows.map((row, i) => textColumns!.map((name) => row[header.indexOf(name)].slice(0, 2 + (i % 7))));
  const start = path.join(temporary, `starts-${path.basename(file)}`);
  fs.writeFileSync(start, [textColumns!, ...texts].map((row) => `${row.join('\t')}\n`).join(''));
  return { data: { path: start, textColumns }, texts };
}

describe('the ONNX folder', () => {
  const folders = new Map<string, Exported>();
  beforeAll(async () => {
    for (const [base, heads] of CASES) {
      const dtypes = FAMILIES.includes(base) ? ONNX_DTYPES : (['fp32'] as const);
      const shape = { heads, tune: 'qkvo' as const, labels: LABELS };
      folders.set(base, await exported(path.join(FIXTURES, base), shape, { dtypes }));
    }
  });

  it.each(CASES)("of %s gives the trainer's logits in onnxruntime", async (base) => {
    const folder = folders.get(base)!;
    for (const data of [SENTENCES, PAIRS]) {
      const expected = await byTrainer(folder, data);
      const found = await byOnnxruntime(folder, data);
      expectClose(logitsOf(found), logitsOf(expected));
      expect(found.map(({ row, label }) => [row, label])).toEqual(expected.map(({ row, label }) => [row, label]));
    }
  });

  it("of every family gives the trainer's logits in transformers.js, with the inputs of its tokenizer", async () => {
    for (const source of [SENTENCES, PAIRS]) {
      const { data, texts } = startsOf(source);
      const answers = transformersJs(CASES.map(([base]) => ({ folder: folders.get(base)!.out, rows: texts })));
      for (const [i, [base, , inputs]] of CASES.entries()) {
        const expected = await byTrainer(folders.get(base)!, data);
        expectClose(answers[i].logits, logitsOf(expected));
        if (source === SENTENCES)
          expect(answers[i].answers!.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
        expect([base, answers[i].inputs.sort()]).toEqual([base, inputs]);
      }
    }
  });

  it('of every family loads in transformers.js in float16 and 8 bits, by its file names', async () => {
    const { data, texts } = startsOf(SENTENCES);
    const asked = FAMILIES.flatMap((base) =>
      (['fp16', 'q8'] as const).map((dtype) => ({ base, dtype, folder: folders.get(base)!.out, rows: texts })),
    );
    const answers = transformersJs(asked);
    for (const [i, { base, dtype }] of asked.entries()) {
      const expected = logitsOf(await byTrainer(folders.get(base)!, data));
      expectClose(answers[i].logits, expected, BOUNDS[dtype]);
      // A file other than model.onnx has answered.
      expect(() => expectClose(answers[i].logits, expected, 1e-5)).toThrow();
    }
  });

  it('reports the size and the largest difference of each type', () => {
    for (const base of FAMILIES) {
      const { models, out } = folders.get(base)!;
      expect(models.map(({ dtype }) => dtype)).toEqual(ONNX_DTYPES);
      for (const { dtype, file, bytes, largestDifference } of models) {
        expect(file).toBe(ONNX_FILES[dtype]);
        expect(bytes).toBe(fs.statSync(path.join(out, file)).size);
        expect(largestDifference).toBeLessThan(BOUNDS[dtype]);
      }
      const [whole, half, quantized] = models;
      expect(half.bytes).toBeLessThan(0.75 * whole.bytes);
      expect(quantized.bytes).toBeLessThan(0.75 * whole.bytes);
      expect(half.largestDifference).toBeGreaterThan(whole.largestDifference);
      expect(quantized.largestDifference).toBeGreaterThan(half.largestDifference);
    }
  });

  withPyTorch("in other people's tools", () => {
    it('has inferable types, so that quantizer and float16 converter accept it', async () => {
      const env = await pythonWith(TOOLS, TOOLS, temporary);
      const program = path.join(FIXTURES, 'check_onnx.py');
      const asked = FAMILIES.map((base) => folders.get(base)!.out);
      const printed = execFileSync('python3', [program, ...asked], {
        env: { ...process.env, ...env },
        encoding: 'utf8',
      });
      const lines = printed
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.map(({ folder }) => folder)).toEqual(asked.map((folder) => path.basename(path.dirname(folder))));
      for (const { quantized, float16, model_fp16: half, model_quantized: ours } of lines) {
        expect(Math.max(quantized, ours)).toBeLessThan(BOUNDS.q8);
        expect(Math.max(float16, half)).toBeLessThan(BOUNDS.fp16);
        expect(Math.min(quantized, ours, float16, half)).toBeGreaterThan(0);
      }
    }, 600_000);
  });

  withPyTorch('beside checkpoint and adapter of the same delta, in Python', () => {
    it("gives the trainer's logits in onnxruntime, transformers and PEFT, in batches and row by row", async () => {
      const env = await pythonWith(PYTORCH, PYTORCH, temporary);
      const asked = [];
      for (const [name, heads] of DECODERS) {
        const shape = { heads, tune: 'qkvo' as const, labels: LABELS };
        folders.set(name, await exported(path.join(FIXTURES, name), shape));
      }
      const cased = casedModel(path.join(temporary, 'cased'));
      folders.set('cased', await exported(cased, { heads: [[0], [2]], labels: LABELS }));
      for (const [i, [name, folder]] of [...folders].entries()) {
        const { model, delta, out: onnx, maxPositions } = folder;
        const [checkpoint, adapter] = ['checkpoint', 'peft'].map((format) => path.join(path.dirname(delta), format));
        await opened(model, async (base) => {
          const read = readDelta(delta, base);
          await exportCheckpoint({ checkpoint: base, delta: read, dtype: 'float32', out: checkpoint });
          await exportAdapter({ checkpoint: base, delta: read, out: adapter });
        });
        const data = i % 2 === 0 ? SENTENCES : PAIRS;
        const logits = logitsOf(await byTrainer(folder, data));
        const { path: file, textColumns: columns } = data;
        asked.push({ name, model, checkpoint, adapter, onnx, file, columns, maxLength: maxPositions, logits });
      }
      const program = path.join(FIXTURES, 'check_exports.py');
      const printed = execFileSync('python3', [program], {
        input: JSON.stringify(asked),
        env: { ...process.env, ...env },
        encoding: 'utf8',
        maxBuffer: 2 ** 26,
      });
      const lines = printed
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.map(({ name }) => name)).toEqual(asked.map(({ name }) => name));
      for (const { faults, ...distances } of lines) {
        expect(faults).toEqual([]);
        for (const tool of ['transformers', 'alone', 'peft', 'onnxruntime']) {
          expect([distances.name, tool, distances[tool]]).toEqual([distances.name, tool, expect.any(Number)]);
          expect(distances[tool]).toBeLessThan(BOUNDS.fp32);
        }
      }
    }, 600_000);
  });

  it('has the layout that transformers.js reads, with the labels', () => {
    const { out } = folders.get('tiny-bert')!;
    expect(fs.readdirSync(out).sort()).toEqual(['config.json', 'onnx', 'tokenizer.json', 'tokenizer_config.json']);
    const config = JSON.parse(fs.readFileSync(path.join(out, 'config.json'), 'utf8'));
    expect(config.id2label).toEqual({ 0: 'no', 1: 'maybe', 2: 'yes' });
    expect(config.label2id).toEqual({ no: 0, maybe: 1, yes: 2 });
    // transformers.js chooses itself if both of its defaults, for browsers and elsewhere, exist.
    expect(config['transformers.js_config']).toEqual({});
    const { out: single } = folders.get('one-head-bert')!;
    const other = JSON.parse(fs.readFileSync(path.join(single, 'config.json'), 'utf8'));
    expect(other['transformers.js_config']).toEqual({ dtype: 'fp32' });
  });
});

it.each(DECODERS)(
  "the decoder %s gives the trainer's logits in onnxruntime, in float32 and float16",
  async (base, heads) => {
    const shape = { heads, tune: 'qkvo' as const, labels: LABELS };
    const folder = await exported(path.join(FIXTURES, base), shape, { dtypes: ['fp32', 'fp16'] });
    for (const { dtype, largestDifference } of folder.models) expect(largestDifference).toBeLessThan(BOUNDS[dtype]);
    for (const data of [SENTENCES, PAIRS]) {
      expectClose(logitsOf(await byOnnxruntime(folder, data)), logitsOf(await byTrainer(folder, data)));
    }
  },
);

it('has one output for a regression', async () => {
  const folder = await exported(path.join(FIXTURES, 'tiny-bert'), { heads: [[], [4]] });
  const found = await byOnnxruntime(folder, PAIRS);
  expectClose(logitsOf(found), logitsOf(await byTrainer(folder, PAIRS)));
  for (const { label, logits } of found) expect(logits).toEqual([label]);
});

it('without float32 opens in its most exact type, here and in transformers.js', async () => {
  const folder = await exported(
    path.join(FIXTURES, 'tiny-bert'),
    { heads: [[0], []], labels: LABELS },
    { dtypes: ['q8', 'fp16'] },
  );
  expect(fs.readdirSync(path.join(folder.out, 'onnx')).sort()).toEqual(['model_fp16.onnx', 'model_quantized.onnx']);
  const { data, texts } = startsOf(SENTENCES);
  const expected = logitsOf(await byTrainer(folder, data));
  expectClose(logitsOf(await byOnnxruntime(folder, data)), expected, BOUNDS.fp16);
  const [answers] = transformersJs([{ folder: folder.out, rows: texts }]);
  expectClose(answers.logits, expected, BOUNDS.fp16);
});

it('stores weights in a separate file if one file cannot hold them', async () => {
  const folder = await exported(
    path.join(FIXTURES, 'tiny-bert'),
    { heads: [[0], []], labels: LABELS },
    { dtypes: ['fp32', 'q8'], oneFileBytes: 100_000 },
  );
  const files = ['model.onnx', 'model.onnx_data', 'model_quantized.onnx'];
  expect(fs.readdirSync(path.join(folder.out, 'onnx')).sort()).toEqual(files);
  const [large, small] = files.slice(0, 2).map((name) => fs.statSync(path.join(folder.out, 'onnx', name)).size);
  expect(folder.models[0].bytes).toBe(large + small);
  const { data, texts } = startsOf(SENTENCES);
  const expected = logitsOf(await byTrainer(folder, data));
  const dtypes = ['fp32', 'q8'] as const;
  const answers = transformersJs(dtypes.map((dtype) => ({ folder: folder.out, dtype, rows: texts })));
  for (const [i, dtype] of dtypes.entries()) expectClose(answers[i].logits, expected, BOUNDS[dtype]);
});

it('accepts a base with only vocab.txt, and adds what transformers.js needs', async () => {
  const base = path.join(temporary, 'vocab-alone');
  fs.cpSync(path.join(FIXTURES, 'tiny-bert'), base, { recursive: true });
  const tokenizer = JSON.parse(fs.readFileSync(path.join(base, 'tokenizer.json'), 'utf8'));
  const vocabulary = Object.entries(tokenizer.model.vocab as Record<string, number>).sort(([, a], [, b]) => a - b);
  fs.writeFileSync(path.join(base, 'vocab.txt'), vocabulary.map(([token]) => `${token}\n`).join(''));
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) fs.rmSync(path.join(base, name));
  const folder = await exported(base, { heads: [[0], []], labels: LABELS });
  expect(JSON.parse(fs.readFileSync(path.join(folder.out, 'tokenizer_config.json'), 'utf8'))).toEqual({
    tokenizer_class: 'BertTokenizer',
    pad_token: '[PAD]',
    model_max_length: 64,
  });
  const { data, texts } = startsOf(SENTENCES);
  const [answers] = transformersJs([{ folder: folder.out, rows: texts }]);
  expectClose(answers.logits, logitsOf(await byTrainer(folder, data)));
});

it('names the settings that only tokenizer.json has, for transformers', async () => {
  const { out } = await exported(casedModel(path.join(temporary, 'settings')), { heads: [[0], []], labels: LABELS });
  const config = JSON.parse(fs.readFileSync(path.join(out, 'tokenizer_config.json'), 'utf8'));
  expect(config).toMatchObject({ do_lower_case: false, strip_accents: true });
});

it("is checked on rows from one token to the limit, and is not written if its logits differ from the trainer's", () =>
  opened(path.join(FIXTURES, 'tiny-bert'), async (checkpoint) => {
    const out = path.join(temporary, 'wrong');
    const delta: Delta = randomDelta(checkpoint, { heads: [[0], [4]], labels: ['0', '1'], scale: 0.1 });
    const lengths: number[] = [];
    let right: Logits[] = [];
    const work: OnnxWork = {
      async write(folder, dtypes) {
        const rows = writeOnnxFiles({ checkpoint, delta, dtypes, folder });
        lengths.push(...rows.map(({ ids }) => ids.length));
        right = await resultOf(onnx.call('logits', { folder, dtypes, rows, options }));
        return rows;
      },
      async reference() {
        const [{ values, outputs }] = right;
        const changed = Float32Array.from(values, (value, i) =>
          i === 3 ? value + 2e-4 * Math.max(1, Math.abs(value)) : value,
        );
        return { values: changed, outputs };
      },
      answers: async () => right,
    };
    await expect(publishOnnxFolder(out, ['fp32'], work)).rejects.toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(
        /^the ONNX model \(fp32\) is not exact, so it was not written: row 1 of the check has/,
      ),
    });
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([1, 64]);
    expect(fs.readdirSync(temporary).filter((name) => isStaged(name) || name === 'wrong')).toEqual([]);
  }));
