import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import { isStaged } from '../../files/place';
import { loadTensorFlow } from '../../infra/tensorflow';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { type Delta, writeDelta } from '../../results/delta';
import { logitsOnnx, predictOnnx } from '../../results/engine';
import type { PredictEvent, Prediction } from '../../results/inference';
import { exportOnnx, type OnnxExport, resultOf } from '../../results/onnx-export';
import { logits, predict } from '../../trainer/inference';
import { type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

/*
 * The folder against the trainer's logits, in onnxruntime and in transformers.js, for every family. The trainer runs in this
 * process, onnxruntime and transformers.js each in one of its own.
 */
const temporary = temporaryFolder('onnx');
afterAll(() => fs.rmSync(temporary, { recursive: true }));
const tf = loadTensorFlow('cpu');
const options = { batchSize: 8, maxLength: 512, device: 'cpu' as const };
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
];

interface Exported {
  model: string;
  delta: string;
  out: string;
}

/** An ONNX folder, checked by the trainer in this process. */
async function exported(model: string, shape: DeltaShape, request: Partial<OnnxExport> = {}): Promise<Exported> {
  const folder = fs.mkdtempSync(path.join(temporary, `${path.basename(model)}-`));
  const [delta, out] = [path.join(folder, 'delta'), path.join(folder, 'onnx')];
  await opened(model, async (checkpoint) => {
    const drawn = randomDelta(checkpoint, { scale: 0.3, ...shape });
    writeDelta(delta, drawn);
    const reference: OnnxExport['reference'] = (rows) => resultOf(logits(tf, { model, delta, rows, options }));
    await exportOnnx({ checkpoint, delta: drawn, out, reference, ...request });
  });
  return { model, delta, out };
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
const byTrainer = ({ model, delta }: Exported, data: DataSource) =>
  predicted(predict(tf, { model, delta, data, options }));
const byOnnxruntime = ({ out }: Exported, data: DataSource) => predicted(predictOnnx({ model: out, data, options }));

function expectClose(found: number[][], expected: number[][]): void {
  expect(found.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  const distance = found.flatMap((row, i) => row.map((logit, c) => Math.abs(logit - expected[i][c])));
  expect(Math.max(...distance)).toBeLessThan(1e-4);
}
const logitsOf = (rows: readonly Prediction[]) => rows.map((row) => row.logits);

/** A file of the first rows with the starts of their texts, so that transformers.js need not cut: it would cut `[SEP]` off. */
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

interface Answers {
  logits: number[][];
  labels: string[] | null;
  inputs: string[];
}
const transformersJs = (asked: { folder: string; rows: string[][] }[]): Answers[] =>
  JSON.parse(
    execFileSync(process.execPath, [path.join(__dirname, '../support/transformers-js.mjs')], {
      input: JSON.stringify(asked),
      env: { ...process.env, NODE_OPTIONS: '' },
      encoding: 'utf8',
    }),
  );

describe('the ONNX folder', () => {
  const folders = new Map<string, Exported>();
  beforeAll(async () => {
    for (const [base, heads] of CASES) {
      folders.set(base, await exported(path.join(FIXTURES, base), { heads, tune: 'qkvo', labels: LABELS }));
    }
  });

  it.each(CASES)('of %s answers in onnxruntime as the trainer does', async (base) => {
    const folder = folders.get(base)!;
    for (const data of [SENTENCES, PAIRS]) {
      const expected = await byTrainer(folder, data);
      const found = await byOnnxruntime(folder, data);
      expectClose(logitsOf(found), logitsOf(expected));
      expect(found.map(({ row, label }) => [row, label])).toEqual(expected.map(({ row, label }) => [row, label]));
    }
  });

  it('of every family answers in transformers.js as the trainer does, with the inputs of its tokenizer', async () => {
    for (const source of [SENTENCES, PAIRS]) {
      const { data, texts } = startsOf(source);
      const answers = transformersJs(CASES.map(([base]) => ({ folder: folders.get(base)!.out, rows: texts })));
      for (const [i, [base, , inputs]] of CASES.entries()) {
        const expected = await byTrainer(folders.get(base)!, data);
        expectClose(answers[i].logits, logitsOf(expected));
        if (source === SENTENCES) expect(answers[i].labels).toEqual(expected.map(({ label }) => label));
        expect([base, answers[i].inputs.sort()]).toEqual([base, inputs]);
      }
    }
  });

  it('has the layout that transformers.js reads, and carries the labels', () => {
    const { out } = folders.get('tiny-bert')!;
    expect(fs.readdirSync(out).sort()).toEqual(['config.json', 'onnx', 'tokenizer.json', 'tokenizer_config.json']);
    const config = JSON.parse(fs.readFileSync(path.join(out, 'config.json'), 'utf8'));
    expect(config.id2label).toEqual({ 0: 'no', 1: 'maybe', 2: 'yes' });
    expect(config.label2id).toEqual({ no: 0, maybe: 1, yes: 2 });
  });
});

it('answers with a number for a regression', async () => {
  const folder = await exported(path.join(FIXTURES, 'tiny-bert'), { heads: [[], [4]] });
  const found = await byOnnxruntime(folder, PAIRS);
  expectClose(logitsOf(found), logitsOf(await byTrainer(folder, PAIRS)));
  for (const { label, logits } of found) expect(logits).toEqual([label]);
});

it('keeps weights in a file of their own where one file cannot hold them', async () => {
  const folder = await exported(
    path.join(FIXTURES, 'tiny-bert'),
    { heads: [[0], []], labels: LABELS },
    { oneFileBytes: 9 },
  );
  expect(fs.readdirSync(path.join(folder.out, 'onnx')).sort()).toEqual(['model.onnx', 'model.onnx_data']);
  const { data, texts } = startsOf(SENTENCES);
  const [answers] = transformersJs([{ folder: folder.out, rows: texts }]);
  expectClose(answers.logits, logitsOf(await byTrainer(folder, data)));
});

it('takes a base with vocab.txt alone, and fills in what transformers.js needs', async () => {
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

it('is checked on rows of one token to the limit, and not written where it does not answer as the trainer does', () =>
  opened(path.join(FIXTURES, 'tiny-bert'), async (checkpoint) => {
    const out = path.join(temporary, 'wrong');
    const delta: Delta = randomDelta(checkpoint, { heads: [[0], [4]], labels: ['0', '1'], scale: 0.1 });
    const lengths: number[] = [];
    const reference: OnnxExport['reference'] = async (rows) => {
      lengths.push(...rows.map(({ ids }) => ids.length));
      const [folder] = fs.readdirSync(temporary).filter((name) => isStaged(name));
      const found = await resultOf(logitsOnnx({ folder: path.join(temporary, folder), rows, options }));
      found.values[3] += 2e-4 * Math.max(1, Math.abs(found.values[3]));
      return found;
    };
    await expect(exportOnnx({ checkpoint, delta, out, reference })).rejects.toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(/^the ONNX model is not exact, so it was not written: row 1 of the check has/),
    });
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([1, 64]);
    expect(fs.readdirSync(temporary).filter((name) => isStaged(name) || name === 'wrong')).toEqual([]);
  }));
