import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import type { DataSource } from '../../data/dataset';
import { openCheckpoint } from '../../model/checkpoint';
import { writeDelta } from '../../results/delta';
import type { EvaluateRequest, EvaluateResult, Prediction } from '../../results/inference';
import { resultOf } from '../../results/onnx-export';
import { ONNX_MODEL } from '../../results/onnx-folder';
import { evaluate, predict } from '../../trainer/engine';
import { exportOnnx } from '../../trainer/onnx-export';
import { type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const temporary = temporaryFolder('onnx');
afterAll(() => fs.rmSync(temporary, { recursive: true }));

const DATA = path.join(FIXTURES, 'tiny-data');
const SENTENCES: DataSource = { path: path.join(DATA, 'dev.tsv'), textColumns: ['sentence'], labelColumn: 'label' };
const PAIRS: DataSource = {
  path: path.join(DATA, 'pairs.tsv'),
  textColumns: ['text_a', 'text_b'],
  labelColumn: 'score',
  regression: true,
};
const options = { batchSize: 8, maxLength: 512, device: 'cpu' as const };

interface Exported {
  model: string;
  delta: string;
  out: string;
}

async function exported(base: string, shape: DeltaShape, task: string | null = null): Promise<Exported> {
  const model = path.join(FIXTURES, base);
  const folder = fs.mkdtempSync(path.join(temporary, `${base}-`));
  const delta = path.join(folder, 'delta');
  const checkpoint = await openCheckpoint(model);
  const drawn = randomDelta(checkpoint, { scale: 0.3, ...shape });
  writeDelta(delta, { ...drawn, info: { ...drawn.info, task } });
  checkpoint.close();
  const out = path.join(folder, 'onnx');
  await exportOnnx({ model, delta, out });
  return { model, delta, out };
}

async function predicted(request: Omit<EvaluateRequest, 'options'>): Promise<Prediction[]> {
  const rows: Prediction[] = [];
  for await (const event of predict({ ...request, options })) if (event.kind === 'rows') rows.push(...event.rows);
  return rows;
}

const evaluated = (request: Omit<EvaluateRequest, 'options'>): Promise<EvaluateResult> =>
  resultOf(evaluate({ ...request, options }));

function expectClose(found: number[][], expected: number[][]): void {
  expect(found.length).toBe(expected.length);
  const distance = found.flatMap((row, i) => row.map((logit, c) => Math.abs(logit - expected[i][c])));
  expect(Math.max(...distance)).toBeLessThan(1e-4);
}

const textsOf = ({ path: file, textColumns }: DataSource): string[][] => {
  const [header, ...rows] = fs
    .readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
  return rows.map((row) => textColumns!.map((name) => row[header.indexOf(name)]));
};

interface InBrowsers {
  logits: number[][];
  labels: string[] | null;
  inputs: string[];
}
const transformersJs = (folder: string, rows: string[][]): InBrowsers =>
  JSON.parse(
    execFileSync(process.execPath, [path.join(__dirname, '../support/transformers-js.mjs'), folder], {
      input: JSON.stringify(rows),
      env: { ...process.env, NODE_OPTIONS: '' },
      encoding: 'utf8',
    }),
  );

/** Families, with the inputs that their tokenizers give. */
const CASES: [base: string, heads: number[][], inputs: string[]][] = [
  ['tiny-bert', [[1, 3], [0]], ['input_ids', 'attention_mask', 'token_type_ids']],
  ['one-head-bert', [[0]], ['input_ids', 'attention_mask', 'token_type_ids']],
];

describe.each(CASES)('the ONNX folder of %s', (base, heads, inputs) => {
  it('answers as the trainer does, in onnxruntime and in transformers.js', async () => {
    const { model, delta, out } = await exported(base, { heads, tune: 'qkvo', labels: ['no', 'maybe', 'yes'] });
    const expected = await predicted({ model, delta, data: SENTENCES });
    const found = await predicted({ model: out, data: SENTENCES });
    expectClose(
      found.map(({ logits }) => logits),
      expected.map(({ logits }) => logits),
    );
    expect(found.map(({ row, label }) => [row, label])).toEqual(expected.map(({ row, label }) => [row, label]));

    const session = await InferenceSession.create(path.join(out, ONNX_MODEL));
    expect([...session.inputNames].sort()).toEqual([...inputs].sort());
    expect(session.inputMetadata.map((input) => input.isTensor && input.type)).toEqual(inputs.map(() => 'int64'));
    expect(session.outputNames).toEqual(['logits']);
    await session.release();

    // transformers.js cuts a row's last token off where it is too long: here none is.
    const limit = JSON.parse(fs.readFileSync(path.join(out, 'tokenizer_config.json'), 'utf8')).model_max_length;
    const rows = textsOf(SENTENCES).flatMap((texts, i) =>
      texts[0].split(' ').length < limit / 4 ? [{ texts, i }] : [],
    );
    expect(rows.length).toBeGreaterThan(8);
    const theirs = transformersJs(
      out,
      rows.map(({ texts }) => texts),
    );
    expect([...theirs.inputs].sort()).toEqual([...inputs].sort());
    expectClose(
      theirs.logits,
      rows.map(({ i }) => expected[i].logits),
    );
    expect(theirs.labels).toEqual(rows.map(({ i }) => expected[i].label));
  });

  it('answers to pairs with a number', async () => {
    const { model, delta, out } = await exported(base, { heads });
    const expected = await predicted({ model, delta, data: PAIRS });
    const found = await predicted({ model: out, data: PAIRS });
    expectClose(
      found.map(({ logits }) => logits),
      expected.map(({ logits }) => logits),
    );
    expect(found.map(({ label }) => label)).toEqual(found.map(({ logits }) => logits[0]));
    const scores = await evaluated({ model: out, data: PAIRS });
    const theirs = await evaluated({ model, delta, data: PAIRS });
    expect(scores).toMatchObject({ task: null, metric: 'pearson', rows: theirs.rows });
    for (const [name, value] of Object.entries(theirs.metrics)) expect(scores.metrics[name]).toBeCloseTo(value, 4);
    expect(scores.loss).toBeCloseTo(theirs.loss, 3);
  });
});

it('carries labels and task in config.json', async () => {
  const { out } = await exported('tiny-bert', { heads: [[0], []], labels: ['0', '1'] }, 'cola');
  const config = JSON.parse(fs.readFileSync(path.join(out, 'config.json'), 'utf8'));
  expect(config).toMatchObject({ id2label: { 0: '0', 1: '1' }, label2id: { 0: 0, 1: 1 }, finetuning_task: 'cola' });
  expect(fs.readdirSync(out).sort()).toEqual(['config.json', 'onnx', 'tokenizer.json', 'tokenizer_config.json']);
  expect(await evaluated({ model: out, data: SENTENCES })).toMatchObject({ task: 'cola', metric: 'matthews' });
});

it('refuses a delta on top of an exported model', async () => {
  const { out, delta } = await exported('tiny-bert', { heads: [[0], []], labels: ['0', '1'] });
  expect(() => predict({ model: out, delta, data: SENTENCES, options })).toThrow(/leave out the delta/);
});
