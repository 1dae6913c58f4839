import * as fs from 'node:fs';
import * as path from 'node:path';
import { evaluationBatches } from '../../data/batches';
import type { HeadScores } from '../../heads/scores';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { SafetensorsFile } from '../../model/safetensors';
import { Embeddings } from '../../trainer/embeddings';
import { GateGradients, NO_HEADS } from '../../trainer/gate-gradients';
import { embedRows } from '../../trainer/prefix';
import { scoreHeads } from '../../trainer/score';
import type { ScoreEvent, ScoreRequest } from '../../trainer/score-options';
import { trainable } from '../../trainer/trainable';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { model, sentences, TINY_DATA } from './runs';

// Gates against PyTorch's autograd in float64: see test/fixtures/make_score_golden.py.
interface Case {
  case: string;
  rows: { ids: number[]; typeIds: number[]; label: number }[];
  gates: number[][][]; // [n][L][H]
  scores: number[][]; // [L][H]
}
const cases: Case[] = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'score.golden.json'), 'utf8'));
const tf = loadTensorFlow();

describe.each(cases.map((each) => [each.case, each] as const))('%s', (name, golden) => {
  test.each([golden.rows.length, 4, 1])('has the gradient of every gate in batches of %i', async (batchSize) => {
    const folder = path.join(FIXTURES, 'training-golden');
    const about = JSON.parse(fs.readFileSync(path.join(folder, `${name}.golden.json`), 'utf8'));
    const stored = SafetensorsFile.open(path.join(folder, `${name}.golden.safetensors`));
    const checkpoint = await openCheckpoint(path.join(FIXTURES, about.model));
    const { layers, heads } = checkpoint.config;
    const { layout, initial } = trainable(checkpoint, NO_HEADS, about.classes, 0);
    for (const { name: slot, offset } of layout.slots) {
      if (stored.tensors.has(`head/${slot}`)) initial.set(stored.float32(`head/${slot}`), offset);
    }
    const before = tf.getNumOfTensors();
    const problem = about.problemType === 'regression' ? ('regression' as const) : ('classes' as const);
    const gradients = new GateGradients(tf, { checkpoint, layout, outputs: about.classes, problem });
    const embeddings = new Embeddings(checkpoint);
    const largest = Math.max(...golden.gates.flat(2).map(Math.abs));
    for (const batch of evaluationBatches(
      golden.rows.map(({ ids }) => ids.length),
      batchSize,
    )) {
      const rows = Array.from(batch, (row) => golden.rows[row]);
      const targets = rows.map(({ label }) => label);
      const gates = gradients.at(initial, embedRows({ checkpoint, embeddings }, rows), targets);
      expect(gates).toHaveLength(layers);
      gates.forEach((values, layer) => {
        expect(values).toHaveLength(rows.length * heads);
        values.forEach((value, i) => {
          const expected = golden.gates[batch[Math.floor(i / heads)]][layer][i % heads];
          expect(Math.abs(value - expected)).toBeLessThan(1e-4 * Math.abs(expected) + 1e-6 * largest);
        });
      });
    }
    gradients.close();
    expect(tf.getNumOfTensors()).toBe(before);
    checkpoint.close();
  });
});

const request = (change: Partial<ScoreRequest> = {}): ScoreRequest => ({
  model,
  train: sentences,
  strategy: 'gradient',
  ...change,
  options: { samples: 20, maxLength: 48, ...change.options },
});

async function finish(what: ScoreRequest, signal?: AbortSignal): Promise<{ events: ScoreEvent[]; scores: HeadScores }> {
  const run = scoreHeads(tf, what, signal);
  const events: ScoreEvent[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done) return { events, scores: next.value };
    events.push(next.value);
  }
}

test('a scoring tells its stages, leaves no tensor and is a pure function of its request', async () => {
  const before = tf.getNumOfTensors();
  const { events, scores } = await finish(request());
  expect(tf.getNumOfTensors()).toBe(before);
  const stages = events.flatMap((event) => (event.kind === 'progress' ? [event.stage] : []));
  expect([...new Set(stages)]).toEqual(['prefix', 'warm-up', 'score']);
  expect(events.at(-1)).toMatchObject({ stage: 'score', done: 20, total: 20 });
  expect(scores).toMatchObject({
    strategy: 'gradient',
    model: { name: 'tiny-bert', layers: 2, heads: 5, headDim: 9, hiddenSize: 45 },
    data: { path: sentences.path, rows: 54 },
    options: { samples: 20, maxLength: 48 },
    samples: 20,
    warmUp: { epochs: 30, steps: 30 },
  });
  expect(new Set(scores.data.sampleIds).size).toBe(20);
  expect(scores.warmUp.lastLoss).toBeLessThan(scores.warmUp.firstLoss);
  for (const row of scores.scores) {
    expect(row).toHaveLength(5);
    for (const score of row) expect(score).toBeGreaterThan(0);
  }

  const { elapsedSeconds: _a, ...first } = scores;
  const { elapsedSeconds: _b, ...again } = (await finish(request())).scores;
  expect(again).toEqual(first);
  const other = (await finish(request({ options: { seed: 1 } }))).scores;
  expect(other.data.sampleIds).not.toEqual(scores.data.sampleIds);
  expect(other.scores).not.toEqual(scores.scores);
});

test('the standard error is that of the mean over the sequences', async () => {
  const { scores, scoresStderr, samples } = (await finish(request({ options: { samples: 1 } }))).scores;
  expect(samples).toBe(1);
  expect(scoresStderr.flat()).toEqual(Array(10).fill(null));
  // Of like rows it is nothing: the same sentence over and over.
  const folder = temporaryFolder('score');
  const same = path.join(folder, 'same.tsv');
  fs.writeFileSync(same, `a\tb\n${'the quiet painter sold a boat\t1.5\n'.repeat(12)}`);
  const train = { path: same, textColumns: ['a'], labelColumn: 'b', regression: true };
  const alike = (await finish(request({ train }))).scores;
  fs.rmSync(folder, { recursive: true });
  expect(alike.samples).toBe(11);
  alike.scoresStderr.flat().forEach((error, i) => {
    expect(error).toBeLessThan(1e-4 * alike.scores.flat()[i]);
  });
  expect(scores.flat().every((score) => score > 0)).toBe(true);
});

test('fewer rows than samples are all used, with a warning; pairs and numbers are scored too', async () => {
  const pairs = { path: path.join(TINY_DATA, 'pairs.tsv'), textColumns: ['text_a', 'text_b'], labelColumn: 'score' };
  const train = { ...pairs, regression: true };
  const { events, scores } = await finish(request({ train, options: { samples: 300, maxLength: 128 } }));
  expect(events.find(({ kind }) => kind === 'warning')).toMatchObject({
    message: expect.stringContaining('has 43 rows to score with, fewer than the 300 to sample'),
  });
  expect(scores.samples).toBe(43);
});

test.each([
  [{ options: { samples: 0 } }, 'scoring option samples is 0; it must be a whole number from 1'],
  [{ options: { seed: -1 } }, 'scoring option seed is -1; it must be at least 0'],
  [{ options: { sample: 3 } as object }, 'scoring has no option "sample"'],
])('%j is refused', async (change, message) => {
  await expect(finish(request(change))).rejects.toMatchObject({ code: 'INVALID_INPUT', message });
});

test.each(['prefix', 'warm-up', 'score'])('a signal in stage %s ends it and leaves nothing', async (stage) => {
  const controller = new AbortController();
  const before = tf.getNumOfTensors();
  const run = scoreHeads(tf, request(), controller.signal);
  await expect(async () => {
    for await (const event of run) if (event.kind === 'progress' && event.stage === stage) controller.abort();
  }).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(tf.getNumOfTensors()).toBe(before);
});
