import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDelta } from '../../delta/delta';
import { writeOnnxFiles } from '../../delta/onnx-files';
import { Classifier, type HifiError } from '../../index';
import { openCheckpoint } from '../../model/checkpoint';
import { type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('library-classifier');
const model = path.join(FIXTURES, 'tiny-bert');
const at = (name: string) => path.join(folder, name);
const SHAPES: Record<string, DeltaShape> = {
  spam: { heads: [[1], [0]], labels: ['ham', 'spam'] },
  tone: { heads: [[], [2, 3]], labels: ['calm', 'happy', 'sad'], problemType: 'multi_label_classification' },
  answers: { heads: [[0], [1]], problemType: 'relevance' },
};
let classifier: Classifier;

beforeAll(async () => {
  const checkpoint = await openCheckpoint(model);
  for (const [name, shape] of Object.entries(SHAPES)) writeDelta(at(name), randomDelta(checkpoint, shape));
  fs.mkdirSync(at('onnx'));
  writeOnnxFiles({ checkpoint, delta: randomDelta(checkpoint, SHAPES.spam), dtypes: ['fp32'], folder: at('onnx') });
  checkpoint.close();
  classifier = await Classifier.open({ model, deltas: [at('spam'), at('tone')] });
});
afterAll(async () => {
  await classifier?.close();
  fs.rmSync(folder, { recursive: true });
});

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'OK',
    ({ code, message }: HifiError) => `${code}: ${message}`,
  );

test('answers of all deltas, or of some, are typed and do not depend on what is asked beside', async () => {
  const texts = ['the keys are here', 'a market'];
  const all = await classifier.classify(texts);
  expect(all).toMatchObject([
    { delta: at('spam'), problem: 'single-label', labelNames: ['ham', 'spam'] },
    { delta: at('tone'), problem: 'multi-label', labelNames: ['calm', 'happy', 'sad'] },
  ]);
  const [spam, tone] = all;
  for (const { labels, logits } of spam.rows) {
    expect(labels[0].label).toBe(logits[0] >= logits[1] ? 'ham' : 'spam');
    expect(labels[0].score + labels[1].score).toBeCloseTo(1, 12);
  }
  const alone = await Promise.all(texts.map((text) => classifier.classify([text], { deltas: [at('tone')] })));
  expect(alone.map(([{ rows }]) => rows[0])).toEqual(tone.rows);
});

test('pairs, and models that are tuned themselves', async () => {
  const pairs = await Classifier.open({ model, deltas: [at('answers')] });
  const onnx = await Classifier.open({ model: at('onnx') });
  try {
    const [{ rows }] = await pairs.classify([['where', 'here']]);
    expect(rows).toEqual([{ labels: [{ label: '', score: expect.any(Number) }], logits: [expect.any(Number)] }]);
    expect(await codeOf(pairs.classify(['where']))).toMatch(/^INVALID_INPUT: .*compares two texts/);
    const [tuned] = await onnx.classify(['a market']);
    const [delta] = await classifier.classify(['a market'], { deltas: [at('spam')] });
    expect(tuned).not.toHaveProperty('delta');
    expect(tuned.rows[0].logits).toEqual(delta.rows[0].logits.map((logit) => expect.closeTo(logit, 5)));
  } finally {
    await Promise.all([pairs.close(), onnx.close()]);
  }
});

test('what cannot be used is INVALID_INPUT; an abort is CANCELLED; a closed one is lost', async () => {
  const wrong = [
    classifier.classify([]),
    classifier.classify(['a'], { deltas: [at('answers')] }),
    classifier.classify(['a'], { maxLength: 0 }),
    Classifier.open({ model, deltas: [at('none')] }),
    Classifier.open({ model }),
  ];
  for (const code of await Promise.all(wrong.map(codeOf))) expect(code).toMatch(/^INVALID_INPUT: /);
  expect(await codeOf(classifier.classify(['a'], { signal: AbortSignal.abort() }))).toMatch(/^CANCELLED/);
  await classifier.close();
  expect(await codeOf(classifier.classify(['a']))).toMatch(/^ENGINE_LOST/);
});
