import * as fs from 'node:fs';
import * as path from 'node:path';
import type { TokenIds } from '../../data/batches';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { wholeBody } from '../../trainer/body';
import { embedWithBody } from '../../trainer/body-embeddings';
import { BODY_FILE, type BodyRequest, tuneBody } from '../../trainer/body-training';
import { PAIRS } from '../../trainer/loss';
import { Program } from '../../trainer/program';
import { withoutDropout } from '../../trainer/scoring';
import { TokenRows } from '../../trainer/token-rows';
import { Training } from '../../trainer/training';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { model, sentences } from './runs';

const tf = loadTensorFlow();
const scratch = temporaryFolder('body');
afterAll(() => fs.rmSync(scratch, { recursive: true }));
const at = (name: string) => path.join(scratch, name);

// Against sentence-transformers and PyTorch in float64: see test/fixtures/make_pairs_golden.py.
interface Case {
  model: string;
  options: { lr: number; weightDecay: number; warmup: number };
  rows: TokenIds[];
  batches: [row: number, other: number, target: number][][];
  losses: number[];
  gradientNorms: number[];
  tensorNorms: Record<string, number>;
  embeddings: number[][];
}
const cases: Case[] = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'pairs.golden.json'), 'utf8'));

describe.each(cases.map((each) => [each.model, each] as const))('%s', (name, golden) => {
  test('has the loss and gradient of CosineSimilarityLoss, and twenty steps of AdamW', async () => {
    const before = tf.getNumOfTensors();
    const checkpoint = withoutDropout(await openCheckpoint(path.join(FIXTURES, name)));
    const { tuning, layout, initial } = wholeBody(checkpoint);
    const outputs = checkpoint.config.hiddenSize;
    const program = new Program(tf, { checkpoint, tuning, layout, outputs, objective: PAIRS }, initial);
    const tokens = new TokenRows(checkpoint, program.readsWords);
    const batchOf = (batch: Case['batches'][0]) =>
      tokens.batch(batch.flatMap(([a, b]) => [golden.rows[a], golden.rows[b]]));
    const targetsOf = (batch: Case['batches'][0]) => batch.map(([, , target]) => target);

    const [first] = golden.batches;
    const { loss, norm, gradient } = program.gradient(batchOf(first), targetsOf(first), { seed: 0, step: 0 });
    expect(program.loss(batchOf(first), targetsOf(first))).toBeCloseTo(loss, 6);
    expect(loss).toBeCloseTo(golden.losses[0], 5);
    expect(norm / golden.gradientNorms[0]).toBeCloseTo(1, 4);
    const views = layout.views(gradient.values());
    gradient.dispose();
    expect([...views.keys()].sort()).toEqual(Object.keys(golden.tensorNorms).sort());
    for (const [tensor, { values }] of views) {
      const found = Math.hypot(...values);
      expect(Math.abs(found - golden.tensorNorms[tensor])).toBeLessThan(1e-3 * golden.tensorNorms[tensor] + 1e-6);
    }

    const { lr, weightDecay, warmup } = golden.options;
    const training = new Training(program, { lr, weightDecay, warmup, steps: golden.batches.length, seed: 0 });
    const losses = golden.batches.map((batch, step) => training.step(batchOf(batch), targetsOf(batch), step));
    losses.forEach((value, step) => {
      expect(value).toBeCloseTo(golden.losses[step], 3);
    });
    golden.rows.forEach((row, i) => {
      const found = program.logits(tokens.batch([row]));
      const length = Math.hypot(...golden.embeddings[i]);
      const distance = Math.hypot(...golden.embeddings[i].map((value, d) => found[d] - value));
      expect(distance / length).toBeLessThan(1e-2);
    });
    program.close();
    checkpoint.close();
    expect(tf.getNumOfTensors()).toBe(before);
  });
});

const request = (out: string, change: Partial<BodyRequest['options']> = {}): BodyRequest => ({
  model,
  train: sentences,
  options: {
    ...{ epochs: 1, batchSize: 24, lr: 1e-3, warmup: 0.1, weightDecay: 0.01, maxLength: 16, seed: 3, device: 'cpu' },
    ...change,
  },
  out: at(out),
});

async function finish<Result>(run: AsyncGenerator<unknown, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value as Result;
  }
}

const bytesOf = (out: string) => fs.readFileSync(path.join(at(out), BODY_FILE));

test('a cancelled training continues to the same parameters, whose embeddings depend on no batch', async () => {
  const before = tf.getNumOfTensors();
  const whole = await finish(tuneBody(tf, request('whole')));
  const controller = new AbortController();
  const run = tuneBody(tf, request('cancelled'), controller.signal);
  const cancelled = (async () => {
    for (let events = 0; !(await run.next()).done; events++) if (events === 1) controller.abort();
  })();
  await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(fs.existsSync(path.join(at('cancelled'), BODY_FILE))).toBe(false);
  const resumed = await finish(tuneBody(tf, request('cancelled')));
  expect(bytesOf('cancelled').equals(bytesOf('whole'))).toBe(true);
  expect(resumed.trainableParameters).toBe(whole.trainableParameters);
  // The checkpoint belongs to its options.
  await expect(finish(tuneBody(tf, request('whole', { seed: 4 })))).rejects.toMatchObject({ code: 'INVALID_INPUT' });

  // Embeddings do not depend on the batch.
  const body = path.join(at('whole'), BODY_FILE);
  for (const batchSize of [7, 32]) {
    const sets = [{ data: sentences, out: at(`${batchSize}.f32`) }];
    await finish(embedWithBody(tf, { model, body, sets, options: { batchSize, maxLength: 16, device: 'cpu' } }));
  }
  const [few, many] = [7, 32].map(
    (size) => new Float32Array(new Uint8Array(fs.readFileSync(at(`${size}.f32`))).buffer),
  );
  expect(few).toHaveLength(60 * 45);
  few.forEach((value, i) => {
    expect(value).toBeCloseTo(many[i], 5);
  });
  expect(tf.getNumOfTensors()).toBe(before);
});

test('a loss that is not finite is reported as diverged', async () => {
  const run = finish(tuneBody(tf, request('diverged', { lr: 1e30 })));
  await expect(run).rejects.toMatchObject({ code: 'DIVERGED' });
});
