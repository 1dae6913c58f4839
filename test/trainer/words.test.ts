import * as fs from 'node:fs';
import * as path from 'node:path';
import { exportCheckpoint } from '../../delta/checkpoint-export';
import { readDelta } from '../../delta/delta';
import { entitiesOf } from '../../delta/entities';
import type { EvaluateRequest, Prediction } from '../../delta/inference-options';
import { writeOnnxFiles } from '../../delta/onnx-files';
import { follow } from '../../foundation/follow';
import { predictOnnx } from '../../infra/onnx/onnx-engine';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { evaluate, predict } from '../../trainer/inference';
import { scoreHeads } from '../../trainer/score';
import { asConll, asJsonLines, entityRows } from '../support/entity-rows';
import { model, runs } from './runs';

const tf = loadTensorFlow();
const { folder, request, finish } = runs(tf);
const options = { batchSize: 8, maxLength: 32, device: 'cpu' as const };

function write(name: string, content: string): string {
  const file = path.join(folder(), name);
  fs.writeFileSync(file, content);
  return file;
}

async function predicted(asked: EvaluateRequest): Promise<Prediction[]> {
  const rows: Prediction[] = [];
  for await (const event of predict(tf, asked)) if (event.kind === 'rows') rows.push(...event.rows);
  return rows;
}

const LISTS = { textColumns: ['tokens'], labelColumn: 'tags', problem: 'tokens' as const };

test('named entities: trained, scored, predicted, exported', async () => {
  const train = { path: write('train.jsonl', asJsonLines(entityRows(60, 0))), ...LISTS };
  const held = entityRows(12, 1, true);
  const dev = { path: write('dev.conll', asConll(held)), problem: 'tokens' as const };
  const training = { epochs: 12, lr: 2e-2, maxLength: 32, batchSize: 16 };
  const asked = await request({ train, dev, options: training });
  const { metrics } = await finish(asked);
  expect(metrics.metric).toBe('f1');
  expect(metrics.epochs[11].trainLoss).toBeLessThan(metrics.epochs[0].trainLoss / 2);
  expect(metrics.epochs.every(({ dev: { f1 } }) => f1 >= 0 && f1 <= 1)).toBe(true);

  const delta = path.join(asked.out, 'delta');
  const evaluation = evaluate(tf, { model, delta, data: dev, options });
  const evaluated = await follow(evaluation, () => {});
  expect(evaluated.metrics.f1).toBeCloseTo(metrics.best.value, 6);
  expect(evaluated.rows).toBe(12);

  // Given words get a tag each, a plain text gets entities; an empty text has none.
  const lists = { path: write('held.jsonl', asJsonLines(held)), textColumns: ['tokens'] };
  const tags = await predicted({ model, delta, data: lists, options });
  expect(tags.map((row) => row.tags!.length)).toEqual(held.map(({ tokens }) => tokens.length));
  const names = Object.values(readDelta(delta).info.id2label!);
  expect(tags.every((row) => row.tags!.every((tag) => names.includes(tag)))).toBe(true);
  const texts = held.map(({ tokens }) => ({ text: tokens.join(' ') }));
  const plain = { path: write('texts.jsonl', asJsonLines([...texts, { text: '' }])), textColumns: ['text'] };
  const found = await predicted({ model, delta, data: plain, options });
  expect(found[12]).toEqual({ row: 12, entities: [], logits: [] });
  for (const { row, entities } of found.slice(0, 12)) {
    for (const { start, end, text, score } of entities!) {
      expect(texts[row].text.slice(start, end)).toBe(text);
      expect(score > 0 && score <= 1).toBe(true);
    }
  }

  // A long row is cut, or every word of it has an answer.
  const long = { tokens: held.flatMap(({ tokens }) => tokens) };
  const data = { path: write('long.jsonl', asJsonLines([long])), textColumns: ['tokens'] };
  const [cut] = await predicted({ model, delta, data, options });
  const windows = { ...options, longTexts: 'windows' as const, stride: 8 };
  const [whole] = await predicted({ model, delta, data, options: windows });
  expect([cut.tags!.length, whole.tags!.length]).toEqual([long.tokens.length, long.tokens.length]);
  expect(cut.tags!.slice(32).every((tag) => tag === 'O')).toBe(true);
  expect(whole.tags!.slice(32).some((tag) => tag !== 'O')).toBe(true);

  // Entities at the end of a text of 3,000 words, which the cut leaves out.
  const [end] = entityRows(1, 0);
  const filler = Array.from({ length: 3000 - end.tokens.length }, (_, i) => ['nothing', 'happened', '.'][i % 3]);
  const text = [...filler, ...end.tokens].join(' ');
  const book = { path: write('book.jsonl', asJsonLines([{ text }])), textColumns: ['text'] };
  const endOf = async (asked: object) => {
    const [{ entities }] = await predicted({ model, delta, data: book, options: { ...options, ...asked } });
    return entities!.filter((entity) => entity.start >= filler.join(' ').length).map((entity) => entity.text);
  };
  const named = entitiesOf(end.tags).map((entity) => end.tokens.slice(entity.start, entity.end).join(' '));
  expect(await endOf({})).toEqual([]);
  expect(await endOf(windows)).toEqual(named);

  // The merged checkpoint and the ONNX folder give the same answers.
  const checkpoint = await openCheckpoint(model);
  const [merged, onnx] = [path.join(folder(), 'merged'), folder()];
  await exportCheckpoint({ checkpoint, delta: readDelta(delta), dtype: 'float32', out: merged });
  writeOnnxFiles({ checkpoint, delta: readDelta(delta), dtypes: ['fp32'], folder: onnx });
  checkpoint.close();
  expect(await predicted({ model: merged, data: lists, options })).toEqual(tags);
  const byOnnx: Prediction[] = [];
  await follow(predictOnnx({ model: onnx, data: lists, options }), (event) => {
    if (event.kind === 'rows') byOnnx.push(...event.rows);
  });
  expect(byOnnx).toEqual(tags);

  for (const strategy of ['gradient', 'fisher', 'grad-l1', 'movement', 'gate'] as const) {
    const scoring = scoreHeads(tf, {
      model,
      train,
      strategy,
      options: { samples: 8, maxLength: 32, seed: 0, device: 'cpu' },
    });
    const { scores } = await follow(scoring, () => {});
    expect(scores.flat().every((value) => Number.isFinite(value))).toBe(true);
  }
});
