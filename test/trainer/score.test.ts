import * as fs from 'node:fs';
import * as path from 'node:path';
import { evaluationBatches } from '../../data/batches';
import { PROBLEMS, problemStoredAs } from '../../delta/problems';
import type { ScoreEvent, ScoreRequest } from '../../delta/score-options';
import { takeSlice, tunedSlices } from '../../delta/slices';
import type { HeadScores } from '../../heads/scores';
import { loadTensorFlow } from '../../infra/tensorflow';
import type { ModelConfig } from '../../model/architecture';
import { architectureOf } from '../../model/architectures';
import { openCheckpoint } from '../../model/checkpoint';
import { SafetensorsFile } from '../../model/safetensors';
import { contrastScores } from '../../trainer/contrast-scores';
import { gateOffsets, gateTraining } from '../../trainer/gate-scores';
import { meanGradientScores } from '../../trainer/mean-gradient';
import { CHANGES } from '../../trainer/movement';
import { neuronNorms } from '../../trainer/neuron-norms';
import { scoreHeads } from '../../trainer/score';
import { afterSteps, type Scoring, wholeTraining } from '../../trainer/scoring';
import { SequenceGradients, TASK_HEAD_ALONE } from '../../trainer/sequence-gradients';
import { activationScores, sequenceScores } from '../../trainer/sequence-scores';
import { TokenRows } from '../../trainer/token-rows';
import { trainable } from '../../trainer/trainable';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { type GoldenLabel, rowsFor, targetOf } from './golden-targets';
import { model, sentences, TINY_DATA } from './runs';

// Against PyTorch's autograd and AdamW in float64: see test/fixtures/make_score_golden.py.
interface Case {
  case: string;
  rows: { ids: number[]; typeIds: number[]; label: GoldenLabel }[];
  gates: number[][][]; // [n][L][H]
  scores: number[][]; // [L][H]
  squares: number[][][]; // [n][L][H]
  /** In some cases. // [L][di] each */
  neurons?: Record<'gradient' | 'activation', number[][]>;
  meanL1: number[][]; // [L][H]
  batches: number[][];
  moved: number[][]; // [L][H]
  alps: number[][]; // [L][H]
  gated: number[][]; // [L][H]
  classes: number[];
  contrast: number[][]; // [L][H]
}
const cases: Case[] = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'score.golden.json'), 'utf8'));
const tf = loadTensorFlow();

describe.each(cases.map((each) => [each.case, each] as const))('%s', (name, golden) => {
  test.each([
    ['gates' as const, [golden.rows.length, 4, 1]],
    ['squares' as const, [golden.rows.length, 3]],
  ])('has the %s of every head and sequence in batches of %j', async (ofHeads, batchSizes) => {
    const { scoring, head } = await prepare(name);
    const { checkpoint, outputs, objective, tokens } = scoring;
    const { layers, heads } = checkpoint.config;
    const { layout } = trainable(checkpoint, TASK_HEAD_ALONE, outputs, 0, PROBLEMS[objective.problem].taskHead);
    const initial = layout.gather(({ name: slot }) => head.get(slot)!);
    const before = tf.getNumOfTensors();
    const gradients = new SequenceGradients(tf, { checkpoint, layout, outputs, objective }, ofHeads, scoring.tune);
    const wanted = golden[ofHeads];
    const largest = Math.max(...wanted.flat(2).map(Math.abs));
    const lengths = golden.rows.map(({ ids }) => ids.length);
    for (const batch of batchSizes.flatMap((size) => [...evaluationBatches(lengths, size)])) {
      const rows = Array.from(batch, (row) => golden.rows[row]);
      const targets = rows.map(({ label }) => targetOf(label, objective.problem));
      const found = gradients.at(initial, tokens.batch(rows), targets);
      expect(found).toHaveLength(layers);
      found.forEach((values, layer) => {
        expect(values).toHaveLength(rows.length * heads);
        values.forEach((value, i) => {
          const expected = wanted[batch[Math.floor(i / heads)]][layer][i % heads];
          expect(Math.abs(value - expected)).toBeLessThan(1e-4 * Math.abs(expected) + 1e-6 * largest);
        });
      });
    }
    gradients.close();
    expect(tf.getNumOfTensors()).toBe(before);
    checkpoint.close();
  });

  test('has the L1 norm of the mean gradient of what each head would tune', async () => {
    const { scoring, head } = await prepare(name);
    const before = tf.getNumOfTensors();
    const { scores, scoresStderr } = await last(meanGradientScores(scoring, labelled(golden, scoring), head));
    expect(tf.getNumOfTensors()).toBe(before);
    near(scores, golden.meanL1, 1e-4);
    expect(new Set(scoresStderr.flat())).toEqual(new Set([null]));
    // Rows of several batches have the same mean: of tokens each labelled one counts once.
    const fourTimes = Array<Case['rows']>(4).fill(golden.rows).flat();
    const again = await last(meanGradientScores(scoring, labelled({ ...golden, rows: fourTimes }, scoring), head));
    near(again.scores, golden.meanL1, 1e-4);
    scoring.checkpoint.close();
  });

  test('moves each head as far as AdamW does, by both distances', async () => {
    const { scoring, head } = await prepare(name);
    const before = tf.getNumOfTensors();
    const whole = wholeTraining(scoring, labelled(golden, scoring), head, false);
    const after = await last(afterSteps(scoring, whole, labelled(golden, scoring), stepsOf(golden)));
    whole.program.close();
    expect(tf.getNumOfTensors()).toBe(before);
    near(CHANGES.movement(scoring, whole, after), golden.moved, 1e-3);
    near(CHANGES.alps(scoring, whole, after), golden.alps, 1e-3);
    scoring.checkpoint.close();
  });

  test('trains all gates as AdamW does, with the L1 term', async () => {
    const { scoring, head } = await prepare(name);
    const before = tf.getNumOfTensors();
    const gates = gateTraining(scoring, labelled(golden, scoring), head, 0.05);
    const after = await last(afterSteps(scoring, gates, labelled(golden, scoring), stepsOf(golden)));
    gates.program.close();
    expect(tf.getNumOfTensors()).toBe(before);
    near(gateOffsets(scoring.checkpoint.config, gates.layout, after), golden.gated, 1e-3);
    scoring.checkpoint.close();
  });

  test('has the squared gradient of the contrastive loss of all rows', async () => {
    const { scoring } = await prepare(name);
    const before = tf.getNumOfTensors();
    const rows = { ...labelled(golden, scoring), targets: golden.classes };
    const { scores } = await last(contrastScores(scoring, rows));
    expect(tf.getNumOfTensors()).toBe(before);
    near(scores, golden.contrast, 1e-3);
    scoring.checkpoint.close();
  });
});

/** The model of a golden case and its task head. */
async function prepare(name: string): Promise<{ scoring: Scoring; head: Map<string, Float32Array> }> {
  const folder = path.join(FIXTURES, 'training-golden');
  const about = JSON.parse(fs.readFileSync(path.join(folder, `${name}.golden.json`), 'utf8'));
  const stored = SafetensorsFile.open(path.join(folder, `${name}.golden.safetensors`));
  const checkpoint = await openCheckpoint(path.join(FIXTURES, about.model));
  const head = new Map<string, Float32Array>();
  for (const key of stored.tensors.keys()) {
    if (key.startsWith('head/')) head.set(key.slice('head/'.length), stored.float32(key));
  }
  stored.close();
  const problem = problemStoredAs(about.problemType);
  const tokens = new TokenRows(checkpoint);
  return {
    scoring: {
      ...{ tf, checkpoint, tokens, outputs: about.classes, objective: { problem }, tune: about.tune, seed: 0 },
      signal: undefined,
    },
    head,
  };
}

const labelled = ({ rows }: Case, { objective }: Scoring) => ({
  encoded: [...rowsFor(rows, objective.problem)],
  targets: rows.map(({ label }) => targetOf(label, objective.problem)),
});

const stepsOf = ({ batches }: Case) => ({
  batches: batches.map((batch) => Int32Array.from(batch)),
  ...{ lr: 2e-3, warmup: 0.06, weightDecay: 0 },
});

test.each(cases.flatMap((each) => (each.neurons ? [[each.case, each, each.neurons] as const] : [])))(
  '%s has the mean gradient and activation of every neuron',
  async (name, golden, wanted) => {
    const { scoring, head } = await prepare(name);
    const ofNeurons = { ...scoring, tune: 'neurons' as const };
    const before = tf.getNumOfTensors();
    const rows = labelled(golden, scoring);
    near((await last(sequenceScores(ofNeurons, rows, head, 'gates'))).scores, wanted.gradient, 1e-4);
    const { scores, scoresStderr } = await last(activationScores(ofNeurons, rows));
    near(scores, wanted.activation, 1e-5);
    expect(scoresStderr.flat().every((error) => error! > 0)).toBe(true);
    expect(tf.getNumOfTensors()).toBe(before);
    // Norms of the parts that the slices name.
    const { config, tensor } = scoring.checkpoint;
    const norms = Array.from({ length: config.layers }, (_, layer) =>
      Array.from({ length: config.intermediateSize }, (_, index) => {
        const slices = tunedSlices(config, { heads: [], neurons: [{ layer, index, score: 0 }], tune: 'neurons' });
        const parts = slices
          .filter(({ canonical }) => canonical.endsWith('.weight'))
          .map((slice) => takeSlice(tensor(slice.canonical), shapeOf(config, slice.canonical), slice));
        return Math.hypot(...parts.flatMap((part) => [...part]));
      }),
    );
    near(neuronNorms(scoring.checkpoint), norms, 1e-9);
    scoring.checkpoint.close();
  },
);

const shapeOf = (config: ModelConfig, canonical: string) =>
  architectureOf(config)
    .tensors(config)
    .find(({ name }) => name === canonical)!.shape;

async function last<Result>(run: AsyncGenerator<unknown, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value as Result;
  }
}

function near(found: number[][], wanted: number[][], relative: number): void {
  expect(found.map((row) => row.length)).toEqual(wanted.map((row) => row.length));
  found.flat().forEach((value, i) => {
    const expected = wanted.flat()[i];
    expect(Math.abs(value - expected)).toBeLessThan(relative * Math.abs(expected));
  });
}

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
  expect(scores.warmUp!.lastLoss).toBeLessThan(scores.warmUp!.firstLoss);
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

test.each([
  ['fisher', 20],
  ['grad-l1', 20],
  ['movement', 27], // half of the 54 rows that are not held out
  ['alps', 27],
  ['gate', 20],
] as const)('%s: stages, scores of all heads, no tensor left, the same again', async (strategy, sequences) => {
  const before = tf.getNumOfTensors();
  const { events, scores } = await finish(request({ strategy }));
  expect(tf.getNumOfTensors()).toBe(before);
  const stages = events.flatMap((event) => (event.kind === 'progress' ? [event.stage] : []));
  expect([...new Set(stages)]).toEqual(['prefix', 'warm-up', 'score']);
  expect(events).toContainEqual(expect.objectContaining({ stage: 'prefix', done: 20, total: 20 }));
  expect(scores).toMatchObject({ strategy, samples: sequences, options: { samples: 20, maxLength: 48 } });
  expect(new Set(scores.data.sampleIds).size).toBe(sequences);
  expect(scores.scores.map((row) => row.length)).toEqual([5, 5]);
  for (const score of scores.scores.flat()) expect(score).toBeGreaterThan(0);
  const hasError = strategy === 'fisher';
  for (const error of scores.scoresStderr.flat()) expect(error === null).toBe(!hasError);
  const { elapsedSeconds: _a, ...first } = scores;
  const { elapsedSeconds: _b, ...again } = (await finish(request({ strategy }))).scores;
  expect(again).toEqual(first);
});

test('contrast needs no task head: no warm-up and no prefix, and rows of any order', async () => {
  const before = tf.getNumOfTensors();
  const { events, scores } = await finish(request({ strategy: 'contrast' }));
  expect(tf.getNumOfTensors()).toBe(before);
  expect(events.flatMap((event) => (event.kind === 'progress' ? [event.stage] : []))).toEqual(
    Array(events.length).fill('score'),
  );
  expect(events.at(-1)).toMatchObject({ stage: 'score', done: 40, total: 40 }); // embeddings, then gradients
  expect(scores).toMatchObject({ strategy: 'contrast', samples: 20, warmUp: null });
  for (const score of scores.scores.flat()) expect(score).toBeGreaterThan(0);
});

test('contrast refuses rows without one class each, and classes of one row', async () => {
  const numbers = { path: path.join(TINY_DATA, 'pairs.tsv'), textColumns: ['text_a'], labelColumn: 'score' };
  await expect(
    finish(request({ strategy: 'contrast', train: { ...numbers, regression: true } })),
  ).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: 'strategy contrast needs rows of one class each, and the labels are numbers: choose another strategy',
  });
  await expect(finish(request({ strategy: 'contrast', options: { samples: 1 } }))).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: 'strategy contrast needs two rows of one class; no class of the sampled rows has two',
  });
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
  [{ options: { seed: -1 } }, 'scoring option seed is -1; it must be a whole number from 0 to 4294967295'],
  [{ options: { sample: 3 } as object }, 'there is no scoring option "sample"'],
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
