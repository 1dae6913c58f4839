import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import { exportCheckpoint } from '../../delta/checkpoint-export';
import { writeDelta } from '../../delta/delta';
import type { EvaluateRequest, EvaluateResult, Prediction } from '../../delta/inference-options';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { SafetensorsFile, writeSafetensors } from '../../model/safetensors';
import { evaluate, predict } from '../../trainer/inference';
import { type DeltaShape, FIXTURES, randomDelta } from '../support/deltas';

import { devSentences, model, runs, sentences, TINY_DATA } from './runs';

const tf = loadTensorFlow();
const { folder, request, finish } = runs(tf);
const pairs: DataSource = { path: path.join(TINY_DATA, 'pairs.tsv'), textColumns: ['text_a', 'text_b'] };
const { batchSize, maxLength, device } = TRAIN_DEFAULTS;
const options = { batchSize, maxLength, device };

async function evaluated(asked: EvaluateRequest): Promise<EvaluateResult> {
  const run = evaluate(tf, asked);
  let next = await run.next();
  while (!next.done) next = await run.next();
  return next.value;
}

/** Predictions, in the parts in which the engine yields them. */
async function predicted(asked: EvaluateRequest): Promise<Prediction[][]> {
  const parts: Prediction[][] = [];
  for await (const event of predict(tf, asked)) if (event.kind === 'rows') parts.push(event.rows);
  return parts;
}

/** The folder of a delta of drawn values. */
async function deltaOf(shape: Partial<DeltaShape> & { task?: string }, base = model): Promise<string> {
  const checkpoint = await openCheckpoint(base);
  const { task = null, ...rest } = shape;
  const delta = randomDelta(checkpoint, { heads: [[0], [1]], scale: 0.1, ...rest });
  const out = path.join(folder(), 'delta');
  writeDelta(out, { ...delta, info: { ...delta.info, task } });
  checkpoint.close();
  return out;
}

/** tiny-bert with its first segment alone. */
function oneSegment(): string {
  const copy = path.join(folder(), 'one-segment');
  fs.cpSync(model, copy, { recursive: true });
  const config = JSON.parse(fs.readFileSync(path.join(model, 'config.json'), 'utf8'));
  fs.writeFileSync(path.join(copy, 'config.json'), JSON.stringify({ ...config, type_vocab_size: 1 }));
  const file = SafetensorsFile.open(path.join(model, 'model.safetensors'));
  const tensors = [...file.tensors].map(([name, { dtype, shape }]) =>
    name.endsWith('token_type_embeddings.weight')
      ? { name, dtype, shape: [1, shape[1]], bytes: () => file.bytes(name).subarray(0, file.bytes(name).length / 2) }
      : { name, dtype, shape, bytes: () => file.bytes(name) },
  );
  writeSafetensors(path.join(copy, 'model.safetensors'), tensors);
  file.close();
  return copy;
}

it('rejects pairs on a model of one segment, in training and prediction', async () => {
  const base = oneSegment();
  const wrong = {
    code: 'INVALID_INPUT',
    message: `${pairs.path}: row 0 gives segment 1; the model has one segment: it cannot read pairs`,
  };
  const delta = await deltaOf({}, base);
  await expect(predicted({ model: base, delta, data: pairs, options })).rejects.toMatchObject(wrong);
  const scored = { ...pairs, labelColumn: 'score', regression: true };
  const what = await request({ model: base, train: scored, dev: scored });
  await expect(finish(what)).rejects.toMatchObject(wrong);
  expect(await predicted({ model: base, delta, data: sentences, options })).not.toEqual([]);
});

it('rejects a row without tokens, in training and prediction', async () => {
  const base = path.join(folder(), 'bare');
  fs.cpSync(model, base, { recursive: true });
  const tokenizer = JSON.parse(fs.readFileSync(path.join(model, 'tokenizer.json'), 'utf8'));
  fs.writeFileSync(path.join(base, 'tokenizer.json'), JSON.stringify({ ...tokenizer, post_processor: null }));
  const file = path.join(folder(), 'rows.tsv');
  fs.writeFileSync(file, 'sentence\tlabel\nthe result is funny\t1\n\u0001\t0\n');
  const data = { ...sentences, path: file };
  const wrong = { code: 'INVALID_INPUT', message: `${file}: row 1 gives no tokens; at least one is needed` };
  await expect(predicted({ model: base, delta: await deltaOf({}), data, options })).rejects.toMatchObject(wrong);
  await expect(finish(await request({ model: base, train: data, dev: data }))).rejects.toMatchObject(wrong);
});

it('rejects logits that are not finite and names the row', async () => {
  const delta = await deltaOf({ labels: ['0', '1'], scale: 3e38 });
  const wrong = {
    code: 'FAILED',
    message: expect.stringMatching(/dev\.tsv: row \d+ has the logits \[.*\]; they must be finite/),
  };
  await expect(predicted({ model, delta, data: devSentences, options })).rejects.toMatchObject(wrong);
  await expect(evaluated({ model, delta, data: devSentences, options })).rejects.toMatchObject(wrong);
});

it.each<[string, DeltaShape['labels'], string, string]>([
  ['classes of a regression', undefined, 'cola', 'the task cola needs 2 classes; DELTA was trained for a regression'],
  ['a number of classes', ['0', '1'], 'stsb', 'the task stsb needs a regression; DELTA was trained for 2 classes'],
  ['three classes of two', ['0', '1'], 'mnli', 'the task mnli needs 3 classes; DELTA was trained for 2 classes'],
])('refuses a task that asks for %s', async (_, labels, task, message) => {
  const delta = await deltaOf({ labels });
  const data = { path: devSentences.path, task: task as DataSource['task'] };
  await expect(evaluated({ model, delta, data, options })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: `${devSentences.path}: ${message.replace('DELTA', delta)}`,
  });
});

it.each([
  ['cola', 'cola', 'matthews'],
  ['emotions', null, 'accuracy'],
  ['mnli', null, 'accuracy'], // of three classes: not this one
])('measures a merged checkpoint that names the task %s', async (named, task, metric) => {
  const checkpoint = await openCheckpoint(model);
  const delta = randomDelta(checkpoint, { heads: [[0], [1]], labels: ['0', '1'], scale: 0.1 });
  delta.info.task = named;
  const merged = path.join(folder(), 'merged');
  await exportCheckpoint({ checkpoint, delta, dtype: 'float32', out: merged });
  checkpoint.close();
  const result = await evaluated({ model: merged, data: devSentences, options });
  expect(result).toMatchObject({ task, metric });
});

it.each<[string, number[][], DataSource]>([
  ['tiny-roberta', [[3], [0, 2]], pairs],
  ['tiny-xlm-roberta', [[], [1]], devSentences],
  ['tiny-distilbert', [[0, 1], [2]], devSentences],
  ['tiny-electra', [[2], [], [0, 4]], pairs],
  ['sharded-bert', [[1], [], [0]], devSentences],
  ['tiny-modernbert', [[1], [], [0, 3]], pairs],
])('says of %s with a delta what it says of the merged checkpoint', async (name, heads, data) => {
  const base = path.join(FIXTURES, name);
  const checkpoint = await openCheckpoint(base);
  const delta = randomDelta(checkpoint, { heads, tune: 'qkvo', labels: ['no', 'yes', '?'], scale: 0.3 });
  const [apart, merged] = [path.join(folder(), 'delta'), path.join(folder(), 'merged')];
  writeDelta(apart, delta);
  await exportCheckpoint({ checkpoint, delta, dtype: 'float32', out: merged });
  checkpoint.close();
  const rows = (await predicted({ model: base, delta: apart, data, options })).flat();
  const again = (await predicted({ model: merged, data, options })).flat();
  expect(again.map(({ row, label }) => [row, label])).toEqual(rows.map(({ row, label }) => [row, label]));
  const largest = (i: number) => Math.max(...rows[i].logits.map((logit, c) => Math.abs(logit - again[i].logits[c])));
  expect(Math.max(...rows.map((_, i) => largest(i)))).toBeLessThan(1e-5);
});

it('predicts a thousand rows at a time', async () => {
  const file = path.join(folder(), 'rows.tsv');
  fs.writeFileSync(file, `sentence\n${'the result is funny\n'.repeat(1500)}${'so the old sailor\n'.repeat(501)}`);
  const data = { path: file, textColumns: ['sentence'] };
  const delta = await deltaOf({ labels: ['0', '1'] });
  const parts = await predicted({ model, delta, data, options: { ...options, batchSize: 256 } });
  expect(parts.map((rows) => rows.length)).toEqual([1000, 1000, 1]);
  const rows = parts.flat();
  expect(rows.map(({ row }) => row)).toEqual(rows.map((_, i) => i));
  expect(new Set(rows.map(({ logits }) => logits.map((x) => x.toFixed(4)).join())).size).toBe(2);
  for (const { label, logits } of rows) expect(label).toBe(logits[1] > logits[0] ? '1' : '0');
});

it('checks its options', async () => {
  const wrong = { code: 'INVALID_INPUT', message: 'inference option batchSize is 0; it must be a whole number from 1' };
  const asked = { model, delta: await deltaOf({}), data: devSentences, options: { ...options, batchSize: 0 } };
  await expect(evaluated(asked)).rejects.toMatchObject(wrong);
  await expect(predicted(asked)).rejects.toMatchObject(wrong);
  await expect(finish(await request({ options: { batchSize: 0 } }))).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: 'training option batchSize is 0; it must be a whole number from 1',
  });
});

it('predicts an empty text with a warning', async () => {
  const file = path.join(folder(), 'empty.csv');
  fs.writeFileSync(file, 'text\none fine day\n""\n" "\n');
  const data: DataSource = { path: file, textColumns: ['text'] };
  const warnings: string[] = [];
  const rows: Prediction[] = [];
  for await (const event of predict(tf, { model, delta: await deltaOf({}), data, options })) {
    if (event.kind === 'warning') warnings.push(event.message);
    if (event.kind === 'rows') rows.push(...event.rows);
  }
  expect(rows.map(({ row }) => row)).toEqual([0, 1, 2]);
  for (const [i, logit] of rows[1].logits.entries()) expect(logit).toBeCloseTo(rows[2].logits[i], 6);
  expect(warnings).toEqual([`2 rows, the first ${file}: row 1, have an empty text, which is predicted like any other`]);
});
