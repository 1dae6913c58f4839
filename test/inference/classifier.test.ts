import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDelta } from '../../delta/delta';
import { writeOnnxFiles } from '../../delta/onnx-files';
import { Classifier, type ClassifierLimits } from '../../inference/classifier';
import type { Classified, ClassifyRequest } from '../../inference/classify-request';
import { openCheckpoint } from '../../model/checkpoint';
import { type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const temporary = temporaryFolder('classifier');
afterAll(() => fs.rmSync(temporary, { recursive: true }));
const ROOM: ClassifierLimits = { models: 2 ** 30, deltas: 2 ** 30 };

/** Answers of one request; its error is thrown. */
async function ask(classifier: Classifier, request: ClassifyRequest): Promise<Classified[][]> {
  const [outcome] = await classifier.classify([request]);
  if ('error' in outcome) throw new Error(`${outcome.error.part.field}: ${outcome.error.message}`);
  return outcome.answers.map(({ rows }) => rows);
}

/** Makes deltas of a model, and an ONNX folder of each merged one. */
async function made(model: string, shapes: readonly DeltaShape[]) {
  const checkpoint = await openCheckpoint(path.join(FIXTURES, model));
  const all = shapes.map((shape, i) => {
    const delta = path.join(temporary, `${model}-${i}`);
    const drawn = randomDelta(checkpoint, { scale: 0.3, ...shape });
    writeDelta(delta, drawn);
    const onnx = fs.mkdtempSync(path.join(temporary, 'onnx-'));
    writeOnnxFiles({ checkpoint, delta: drawn, dtypes: ['fp32'], folder: onnx });
    return { delta, onnx };
  });
  checkpoint.close();
  return all;
}

const words = 'the result is warm but old sailor described her story on hill because a young teacher was cold'.split(
  ' ',
);
const sentence = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => words[(from + i * i) % words.length]).join(' ');
const TEXTS = [1, 3, 4, 7, 9, 20, 22, 60].map((count, i) => sentence(i, count)).concat('');

const numbersOf = (answers: readonly Classified[]) =>
  answers.map(({ logits, entities }) => entities?.map(({ label, start, score }) => [label, start, score]) ?? logits);

describe.each([
  ...['tiny-bert', 'one-head-bert', 'seven-heads-bert', 'sharded-bert', 'tiny-roberta', 'tiny-xlm-roberta'],
  ...['tiny-camembert', 'tiny-distilbert', 'tiny-electra', 'tiny-mpnet', 'tiny-modernbert', 'tiny-modernbert-mean'],
  ...['tiny-deberta', 'tiny-deberta-v2', 'tiny-llama', 'tiny-qwen2', 'tiny-qwen3'],
])('%s', (model) => {
  it('answers with the same bits alone and together, as the merged models do', async () => {
    const checkpoint = await openCheckpoint(path.join(FIXTURES, model));
    const { layers: L, heads: H } = checkpoint.config;
    checkpoint.close();
    const last = (...heads: number[]) => Array.from({ length: L }, (_, layer) => (layer === L - 1 ? heads : []));
    const everywhere = Array.from({ length: L }, (_, layer) => [layer % H]);
    const pairs = await made(model, [
      { heads: everywhere, labels: ['no', 'yes'] },
      { heads: last(0), tune: 'qkvo', labels: ['a', 'b', 'c'] },
      { heads: last(...Array.from({ length: H }, (_, head) => head)) },
      { heads: last(), labels: ['x', 'y'], problemType: 'multi_label_classification' },
      { heads: everywhere, labels: ['O', 'B-per', 'I-per'], problemType: 'token_classification' },
    ]);
    const deltas = pairs.map(({ delta }) => delta);
    const base = path.join(FIXTURES, model);
    // Qwen's tokenizer gives an empty text no token.
    const texts = TEXTS.filter((text) => text !== '' || !model.includes('qwen'));
    const together = new Classifier(2, ROOM);
    const all = await ask(together, { model: base, deltas, texts });
    for (const [i, { delta, onnx }] of pairs.entries()) {
      const [merged] = await ask(together, { model: onnx, deltas: [], texts });
      const [expected, found] = [numbersOf(merged), numbersOf(all[i])];
      expect(found.map((each) => each.length)).toEqual(expected.map((each) => each.length));
      const differences = found
        .flat(2)
        .map((value, j) => (typeof value === 'string' ? 0 : Math.abs(value - (expected.flat(2)[j] as number))));
      expect(Math.max(...differences)).toBeLessThan(1e-5);
      const others = new Classifier(1, ROOM);
      for (const [row, text] of texts.entries()) {
        const [[alone]] = await ask(others, { model: base, deltas: [delta], texts: [text] });
        expect(alone).toEqual(all[i][row]);
      }
    }
  });
});
