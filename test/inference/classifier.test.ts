import * as fs from 'node:fs';
import * as path from 'node:path';
import { randomStream } from '../../data/random';
import { writeDelta } from '../../delta/delta';
import { writeOnnxFiles } from '../../delta/onnx-files';
import { resultOf } from '../../foundation/follow';
import { Classifier } from '../../inference/classifier';
import type { Classified, ClassifyRequest } from '../../inference/classify-request';
import { ReusedMemory } from '../../inference/reused-memory';
import type { TensorPart } from '../../model/architecture';
import { architectureOf } from '../../model/architectures';
import { openCheckpoint } from '../../model/checkpoint';
import { readModelConfig } from '../../model/config';
import { roundTo } from '../../model/rounding';
import { writeSafetensors } from '../../model/safetensors';
import { type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const temporary = temporaryFolder('classifier');
afterAll(() => fs.rmSync(temporary, { recursive: true }));
const ROOM = { models: 2 ** 30, deltas: 2 ** 30 };

/** Answers of one request; its error is thrown. */
async function ask(classifier: Classifier, request: ClassifyRequest): Promise<Classified[][]> {
  const [outcome] = await resultOf(classifier.classify([request]));
  if ('error' in outcome) throw new Error(`${outcome.error.part.field}: ${outcome.error.message}`);
  return outcome.answers.map(({ rows }) => rows);
}

/**
 * BERT with products of more terms and columns than onnxruntime computes in one block, with random
 * weights: 260 numbers per token in four heads, in four layers.
 */
function wideModel(): string {
  const from = path.join(FIXTURES, 'tiny-bert');
  const folder = path.join(temporary, 'wide');
  fs.cpSync(from, folder, { recursive: true });
  const file = path.join(folder, 'config.json');
  const sizes = { hidden_size: 260, num_attention_heads: 4, intermediate_size: 300, num_hidden_layers: 4 };
  fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file, 'utf8')), ...sizes }));
  const config = readModelConfig(folder);
  const draws = randomStream(1, 'wide');
  const tensors = architectureOf(config).tensors(config);
  writeSafetensors(
    path.join(folder, 'model.safetensors'),
    tensors.map(({ name, shape }) => {
      const values = Float32Array.from(
        { length: shape.reduce((a, b) => a * b, 1) },
        () => 0.2 * (draws.uniform() - 0.5),
      );
      return { name, dtype: 'F32' as const, shape, bytes: () => roundTo('F32', values) };
    }),
  );
  return folder;
}

/** Makes deltas of a model, and an ONNX folder of each merged one. */
async function made(model: string, shapes: readonly DeltaShape[]) {
  const checkpoint = await openCheckpoint(model);
  const all = shapes.map((shape, i) => {
    const delta = path.join(temporary, `${path.basename(model)}-${i}`);
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

/** Models whose neurons are tuned too: one of each kind of feed-forward, and longer products. */
const NEURONS = ['tiny-bert', 'tiny-modernbert', 'tiny-llama', 'wide'];

const numbersOf = (answers: readonly Classified[]) =>
  answers.map(({ logits, entities }) => entities?.map(({ label, start, score }) => [label, start, score]) ?? logits);

describe.each([
  ...['tiny-bert', 'one-head-bert', 'seven-heads-bert', 'sharded-bert', 'tiny-roberta', 'tiny-xlm-roberta'],
  ...['tiny-camembert', 'tiny-distilbert', 'tiny-electra', 'tiny-mpnet', 'tiny-modernbert', 'tiny-modernbert-mean'],
  ...['tiny-deberta', 'one-head-deberta', 'tiny-deberta-v2', 'tiny-llama', 'tiny-qwen2', 'tiny-qwen3', 'wide'],
])('%s', (name) => {
  it('answers with the same bits alone and together, as the merged models do', async () => {
    const model = name === 'wide' ? wideModel() : path.join(FIXTURES, name);
    const checkpoint = await openCheckpoint(model);
    const { layers: L, heads: H, intermediateSize } = checkpoint.config;
    checkpoint.close();
    const last = (...heads: number[]) => Array.from({ length: L }, (_, layer) => (layer === L - 1 ? heads : []));
    const everywhere = Array.from({ length: L }, (_, layer) => [layer % H]);
    // Neurons: one in each layer and in the last a third of all; of that layer alone.
    const third = Array.from({ length: Math.floor(intermediateSize / 3) }, (_, i) => 3 * i + 1);
    const neurons = [last().map((_, layer) => (layer === L - 1 ? third : [layer])), last(0, 2)];
    const pairs = await made(model, [
      { heads: everywhere, labels: ['no', 'yes'] },
      { heads: last(0), tune: 'qkvo', labels: ['a', 'b', 'c'] },
      { heads: last(...Array.from({ length: H }, (_, head) => head)) },
      { heads: last(), labels: ['x', 'y'], problemType: 'multi_label_classification' },
      { heads: everywhere.map((heads, layer) => (layer === L >> 1 ? heads : [])), labels: ['u', 'v'] },
      { heads: everywhere, labels: ['O', 'B-per', 'I-per'], problemType: 'token_classification' },
      ...(NEURONS.includes(name) ? neurons : []).map(
        (each): DeltaShape => ({ heads: last(), neurons: each, tune: 'neurons', labels: ['a', 'b'] }),
      ),
    ]);
    const deltas = pairs.map(({ delta }) => delta);
    // Qwen's tokenizer gives an empty text no token.
    const texts = TEXTS.filter((text) => text !== '' || !name.includes('qwen'));
    const together = new Classifier(2, ROOM);
    const all = await ask(together, { model, deltas, texts });
    for (const shift of pairs.keys()) {
      const deltaOf = (row: number) => (row + shift) % pairs.length;
      const each = await resultOf(
        together.classify(texts.map((text, row) => ({ model, deltas: [deltas[deltaOf(row)]], texts: [text] }))),
      );
      for (const [row, outcome] of each.entries()) {
        expect(outcome).toMatchObject({ answers: [{ rows: [all[deltaOf(row)][row]] }] });
      }
    }
    // Each delta leaves for the next, which gets its memory.
    const single = new Classifier(1, { ...ROOM, deltas: 1 });
    for (const [i, { delta, onnx }] of pairs.entries()) {
      const [merged] = await ask(together, { model: onnx, deltas: [], texts });
      const [expected, found] = [numbersOf(merged), numbersOf(all[i])];
      expect(found.map((each) => each.length)).toEqual(expected.map((each) => each.length));
      const differences = found
        .flat(2)
        .map((value, j) => (typeof value === 'string' ? 0 : Math.abs(value - (expected.flat(2)[j] as number))));
      expect(Math.max(...differences)).toBeLessThan(1e-5);
      for (const [row, text] of texts.entries()) {
        const [[alone]] = await ask(single, { model, deltas: [delta], texts: [text] });
        expect(alone).toEqual(all[i][row]);
      }
    }
  });
});

test('a delta answers with the same bits among so many that their heads run in several batches', async () => {
  const model = path.join(FIXTURES, 'tiny-bert');
  const [one, other] = (await made(model, [{ heads: [[0], [2]], labels: ['a', 'b'] }, { heads: [[], [1, 3]] }])).map(
    ({ delta }) => delta,
  );
  const copies = Array.from({ length: 100 }, (_, i) => {
    const copy = path.join(temporary, `copy-${i}`);
    fs.cpSync(i % 2 === 0 ? one : other, copy, { recursive: true });
    return copy;
  });
  const texts = [sentence(0, 60), sentence(1, 3), sentence(2, 60)];
  const [first, second] = await ask(new Classifier(2, ROOM), { model, deltas: [one, other], texts });
  const all = await ask(new Classifier(2, ROOM), { model, deltas: copies, texts });
  expect(all).toEqual(copies.map((_, i) => (i % 2 === 0 ? first : second)));
});

test('requests whose deltas exceed the limit together are answered in groups, with the same bits', async () => {
  const model = path.join(FIXTURES, 'tiny-bert');
  const [{ delta }] = await made(model, [{ heads: [[0], [2]], labels: ['a', 'b'] }]);
  const requests = Array.from({ length: 20 }, (_, i) => {
    const copy = path.join(temporary, `of-request-${i}`);
    fs.cpSync(delta, copy, { recursive: true });
    return { model, deltas: [copy], texts: [sentence(i, 5)] };
  });
  const expected = await resultOf(new Classifier(1, ROOM).classify(requests));
  const given = jest.spyOn(ReusedMemory.prototype, 'numbers');
  const memory = () => new Set(given.mock.results.map(({ value }) => value));
  const bytes = () => [...memory()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const single = new Classifier(1, ROOM);
  await ask(single, requests[0]);
  const each = bytes();
  given.mockClear();
  const limited = new Classifier(1, { ...ROOM, deltas: 2.5 * each });
  expect(await resultOf(limited.classify(requests))).toEqual(expected);
  // Two that stay, and three by which a group exceeds the limit.
  expect(bytes()).toBeLessThanOrEqual(5 * each);
  given.mockRestore();
});

test('a delta that tunes other parts is refused, with what to do', async () => {
  const model = path.join(FIXTURES, 'tiny-bert');
  const parts: TensorPart[] = [{ tensor: 'encoder.layer.0.output.dense.bias', axis: 'rows', ranges: [[0, 2]] }];
  const checkpoint = await openCheckpoint(model);
  const delta = path.join(temporary, 'parts');
  writeDelta(delta, randomDelta(checkpoint, { heads: Array(checkpoint.config.layers).fill([]), parts }));
  checkpoint.close();
  await expect(ask(new Classifier(1, ROOM), { model, deltas: [delta], texts: ['a'] })).rejects.toThrow(
    `deltas: ${delta} tunes more than heads or neurons: export a checkpoint and ask that`,
  );
});

test('a length without room for a text is named as such', async () => {
  const model = path.join(FIXTURES, 'tiny-bert');
  const [{ delta }] = await made(model, [{ heads: [[0], [1]], labels: ['no', 'yes'] }]);
  await expect(ask(new Classifier(1, ROOM), { model, deltas: [delta], texts: ['a'], maxLength: 1 })).rejects.toThrow(
    'max_length: maxLength is 1; it must be 3 or more: 2 tokens are special',
  );
});

test('a quantized ONNX folder gives a text the same bits alone and in a batch', async () => {
  const checkpoint = await openCheckpoint(path.join(FIXTURES, 'tiny-bert'));
  const delta = randomDelta(checkpoint, { heads: [[0], [1]], labels: ['no', 'yes'], scale: 0.3 });
  const model = fs.mkdtempSync(path.join(temporary, 'q8-'));
  writeOnnxFiles({ checkpoint, delta, dtypes: ['q8'], folder: model });
  checkpoint.close();
  const texts = [3, 4, 5].map((count, i) => sentence(i, count));
  const [together] = await ask(new Classifier(1, ROOM), { model, deltas: [], texts });
  for (const [i, text] of texts.entries()) {
    expect(await ask(new Classifier(1, ROOM), { model, deltas: [], texts: [text] })).toEqual([[together[i]]]);
  }
});
