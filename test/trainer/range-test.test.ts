import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDemoData } from '../../cli/demo/grammar';
import { logitCount } from '../../data/problem';
import { windowOptions } from '../../data/word-windows';
import { PROBLEMS } from '../../delta/problems';
import { type RateChoice, TRAIN_DEFAULTS, type TrainRequest } from '../../delta/training-options';
import { tuningOf } from '../../delta/tuning';
import { follow } from '../../foundation/follow';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { loadTokenizer } from '../../model/tokenizer';
import { readInputs, targetsOf } from '../../trainer/inputs';
import { train } from '../../trainer/pipeline';
import { FreshRows } from '../../trainer/prefix';
import { Program } from '../../trainer/program';
import { choiceOf, rangeTest, testBatches } from '../../trainer/range-test';
import { TokenRows } from '../../trainer/token-rows';
import { trainable } from '../../trainer/trainable';
import { deltaHash, maskOf, model, runs, sentences } from './runs';

const tf = loadTensorFlow();
const { folder, request, finish } = runs(tf);
const batchSize = 32;
let rows: typeof sentences;
beforeAll(() => {
  rows = { ...sentences, path: firstLines(writeDemoData(folder(), 5).train, 201) };
});

/** The first lines of a file, in a new file. */
function firstLines(file: string, count: number): string {
  const first = path.join(folder(), 'rows.tsv');
  fs.writeFileSync(first, fs.readFileSync(file, 'utf8').split('\n').slice(0, count).join('\n'));
  return first;
}

describe('the batches', () => {
  it.each([162, 163, 200, 1000, 4001, 100_000])('of %d rows cost at most half an epoch, each row once', (rows) => {
    const { gradients, losses } = testBatches(new Int32Array(rows).fill(7), { batchSize, seed: 1 })!;
    const count = (of: readonly Int32Array[]) => of.reduce((sum, { length }) => sum + length, 0);
    expect(count(gradients) + (17 * count(losses)) / 3).toBeLessThanOrEqual(rows / 2);
    expect(gradients).toHaveLength(8);
    const all = [...gradients, ...losses].flatMap((batch) => Array.from(batch));
    expect(new Set(all).size).toBe(all.length);
  });

  it('are none for too few rows', () => {
    expect(testBatches(new Int32Array(161).fill(7), { batchSize, seed: 1 })).toBeUndefined();
    expect(testBatches(new Int32Array(1000).fill(7), { batchSize: 1, seed: 1 })).toBeDefined();
  });
});

/** Losses of a parabola with its minimum at `low`. */
const valley = (low: number, lengths: number[]) => lengths.map((lr) => ({ lr, loss: 1 + ((lr - low) / low) ** 2 }));
const powers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from * 2 ** i);

describe('the choice', () => {
  it('is the default between the bounds', () => {
    // 25 % above the lowest loss lies between 0.016 and 0.032: 0.016 + 0.016 · 0.25
    const { lr, reason } = choiceOf(2, valley(0.016, powers(1e-3, 6)), 100);
    expect(lr).toBe(1e-3);
    expect(reason).toBe(
      'the default: from 0.00032 on 100 steps reach 0.016, where the loss is lowest; up to 0.0025 each stays below an eighth of 0.02, where the loss has risen again',
    );
  });

  it('is the upper bound where the default is above it, or the bounds contradict each other', () => {
    const low = valley(0.0016, powers(1e-4, 6));
    expect(choiceOf(2, low, 100)).toMatchObject({ lr: 0.00025, reason: expect.stringMatching(/^the highest with/) });
    expect(choiceOf(2, low, 2)).toMatchObject({ lr: 0.00025 });
  });

  it('is the lower bound where the default is below it', () => {
    const tried = valley(0.064, powers(1e-3, 8));
    expect(choiceOf(2, tried, 50)).toMatchObject({ lr: 0.0026, reason: expect.stringMatching(/^the lowest with/) });
  });

  it('takes a loss that is no number as too high, and a loss that only rises as lowest before any step', () => {
    const tried = [
      { lr: 1e-3, loss: 1.1 },
      { lr: 2e-3, loss: null },
    ];
    expect(choiceOf(1, tried, 10)).toMatchObject({ lr: 0.00013 });
    expect(choiceOf(1, [{ lr: 1e-3, loss: 1.5 }], 10).lr).toBe(0.000025);
  });

  it('has no upper bound below twice the longest step where no step is too long', () => {
    expect(choiceOf(1, [{ lr: 0.32, loss: 0.9 }], 1e6).lr).toBe(1e-3);
  });
});

describe('a test', () => {
  it('measures the losses of the moved parameters, and leaves the program as it was', async () => {
    const checkpoint = await openCheckpoint(model);
    const inputs = await readInputs({ train: rows }, loadTokenizer(model), {
      ...windowOptions({ maxLength: 32 }),
      seed: 0,
      model: checkpoint.config,
    });
    const { train: read } = inputs;
    const outputs = logitCount(inputs.labels);
    const tuning = tuningOf(
      checkpoint.config,
      await maskOf([
        [1, 3],
        [0, 2, 4],
      ]),
    );
    const { layout, initial } = trainable(checkpoint, tuning, outputs, 0, PROBLEMS[inputs.labels.problem].taskHead);
    const parts = { checkpoint, tuning, layout, outputs, objective: { problem: inputs.labels.problem } };
    const program = new Program(tf, parts, initial);
    try {
      const hidden = new FreshRows({ program, checkpoint, tokens: new TokenRows(checkpoint) }, read.encoded);
      const options = { batchSize: 8, seed: 3, steps: 30 };
      const tensors = tf.getNumOfTensors();
      const choice = await follow(rangeTest({ program, initial, hidden, rows: read }, options), () => {});
      expect(tf.getNumOfTensors()).toBe(tensors);
      expect(program.read().parameters).toEqual(initial);
      expect(program.read().firstMoment.some((value) => value !== 0)).toBe(false);

      // The direction and one loss again, in plain arrays.
      const { gradients, losses } = testBatches(hidden.lengths, options)!;
      const all = gradients.map((batch, step) => {
        const { gradient } = program.gradient(hidden.read(batch), targetsOf(read, batch), { seed: 3, step });
        const values = Float64Array.from(gradient.values());
        gradient.dispose();
        return values;
      });
      const mean = (at: number, of: (value: number) => number) =>
        all.reduce((sum, values) => sum + of(values[at]), 0) / all.length;
      const tried = choice.tried.at(-2)!;
      const moved = initial.map(
        (value, at) => value - (tried.lr * mean(at, (g) => g)) / (Math.sqrt(mean(at, (g) => g * g)) + 1e-8),
      );
      program.write({ parameters: moved });
      let [sum, count] = [0, 0];
      const { loss } = PROBLEMS['single-label'];
      for (const batch of losses) {
        const logits = program.logits(hidden.read(batch));
        for (const [i, target] of targetsOf(read, batch).entries())
          sum += loss(logits.subarray(2 * i, 2 * i + 2), target);
        count += batch.length;
      }
      expect(tried.loss).toBeCloseTo(sum / count, 4);
    } finally {
      program.close();
      checkpoint.close();
    }
  });
});

/** Trains with a rate chosen by a range test. */
const automatic = (changes: object = {}) =>
  request({
    train: rows,
    dev: undefined,
    ...changes,
    options: { epochs: 2, batchSize: 8, lr: 'auto' },
  }) as Promise<TrainRequest>;

it('gives the delta of a training with the chosen number, the same for each start', async () => {
  const what = await automatic();
  const { metrics, events } = await finish(what);
  const rate = metrics.learningRate as RateChoice;
  expect(events.filter(({ kind }) => kind === 'rate')).toEqual([{ kind: 'rate', rate }]);
  expect(rate.tried.length).toBeGreaterThan(3);
  const given = await finish(
    await request({ train: rows, dev: undefined, out: `${what.out}-given`, options: { epochs: 2, lr: rate.lr } }),
  );
  for (const name of ['delta.safetensors', 'delta.json']) {
    const bytes = (out: string) => fs.readFileSync(path.join(out, 'delta', name), 'utf8');
    expect(bytes(`${what.out}-given`)).toBe(bytes(what.out));
  }
  expect(given.metrics.learningRate).toBeUndefined();
  const { seconds: _, ...same } = rate;
  expect((await finish(await automatic())).metrics.learningRate).toMatchObject(same);
});

it('keeps the chosen rate when it resumes', async () => {
  const whole = await automatic();
  const { metrics } = await finish(whole);
  const what = await automatic();
  const stop = new AbortController();
  await follow(train(tf, what, stop.signal), ({ kind }) => {
    if (kind === 'epoch') stop.abort();
  }).catch(() => {});
  const { events, metrics: resumed } = await finish({ ...what, resume: true });
  expect(resumed.resumedFromStep).toBeGreaterThan(0);
  expect(events.some((event) => event.kind === 'progress' && event.stage === 'range')).toBe(false);
  const { seconds: _, ...same } = metrics.learningRate as RateChoice;
  expect(resumed.learningRate).toMatchObject(same);
  expect(deltaHash(what.out)).toBe(deltaHash(whole.out));
});

it('takes the default where there are too few rows', async () => {
  const { metrics } = await finish(await automatic({ train: { ...rows, path: firstLines(rows.path, 41) } }));
  expect(metrics.learningRate).toMatchObject({ lr: TRAIN_DEFAULTS.lr, tried: [], rows: 0 });
  expect(metrics.learningRate!.reason).toMatch(/^the default: 36 training rows are too few for a range test/);
});
