import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { PROBLEMS, problemStoredAs } from '../../delta/problems';
import { loadTensorFlow } from '../../infra/tensorflow';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { SafetensorsFile } from '../../model/safetensors';
import { hiddenRows } from '../../trainer/prefix';
import { unlinkedFile } from '../../trainer/prefix-file';
import { Program } from '../../trainer/program';
import { TokenRows } from '../../trainer/token-rows';
import { trainable } from '../../trainer/trainable';
import { Training } from '../../trainer/training';
import { tuningOfCase } from '../support/golden-tuning';
import { rowsFor, targetOf } from './golden-targets';

// Against PyTorch, transformers and PEFT in float64: see test/fixtures/make_training_golden.py.
const fixtures = path.join(__dirname, '../fixtures');
const folder = path.join(fixtures, 'training-golden');
const cases = fs.readdirSync(folder).flatMap((name) => /^(.*)\.golden\.json$/.exec(name)?.[1] ?? []);
const tf = loadTensorFlow();
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-golden-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

/** Everything of a golden case that the trainer needs, with dropout off. */
async function prepare(name: string) {
  const golden = JSON.parse(fs.readFileSync(path.join(folder, `${name}.golden.json`), 'utf8'));
  const stored = SafetensorsFile.open(path.join(folder, `${name}.golden.safetensors`));
  const base = await openCheckpoint(path.join(fixtures, golden.model));
  const raw = { ...base.config.raw, pooler_dropout: 0 };
  const config = { ...base.config, hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0, raw };
  const checkpoint: Checkpoint = { ...base, config };
  const tuning = tuningOfCase(config, golden);
  const problem = problemStoredAs(golden.problemType);
  const made = trainable(checkpoint, tuning, golden.classes, 0, PROBLEMS[problem].taskHead);
  for (const { name: slot, offset, size } of made.layout.slots) {
    if (!stored.tensors.has(`head/${slot}`)) continue;
    const values = stored.float32(`head/${slot}`);
    expect(values).toHaveLength(size);
    made.initial.set(values, offset);
  }
  const objective = { problem, weights: golden.classWeights, smoothing: golden.labelSmoothing };
  const parts = { checkpoint, tuning, layout: made.layout, outputs: golden.classes as number, objective };
  const program = new Program(tf, parts, made.initial);
  const file = path.join(scratch, 'prefix');
  const part = { program, checkpoint, tokens: new TokenRows(checkpoint, program.readsWords) };
  const rows = hiddenRows(part, rowsFor(golden.rows, problem), unlinkedFile(file));
  let next = await rows.next();
  while (!next.done) next = await rows.next();
  const prefix = next.value;
  const labels = (batch: number[]) => batch.map((row) => targetOf(golden.rows[row].label, problem));
  return { golden, stored, tuning, made, program, prefix, labels };
}

/** The distance of two vectors over the length of the second. */
function relative(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let distance = 0;
  let length = 0;
  for (let i = 0; i < expected.length; i++) {
    distance += (actual[i] - expected[i]) ** 2;
    length += expected[i] ** 2;
  }
  return Math.sqrt(distance) / Math.sqrt(length);
}

it('finds the golden cases', () => expect(cases.length).toBeGreaterThanOrEqual(23));

describe.each(cases)('%s', (name) => {
  // One graph for both tests: the first one changes no parameter.
  let prepared: Awaited<ReturnType<typeof prepare>>;
  beforeAll(async () => {
    prepared = await prepare(name);
  });
  afterAll(() => prepared.program.close());

  it('has logits, loss and every gradient of the float64 oracle', () => {
    const { golden, stored, tuning, made, program, prefix, labels } = prepared;
    const perToken = golden.problemType === 'token_classification';
    expect(tuning.products?.toSorted((a, b) => (a.module < b.module ? -1 : 1))).toEqual(golden.products);
    const before = tf.getNumOfTensors();
    const [batch, targets] = [prefix.read(golden.gradientBatch), labels(golden.gradientBatch)];
    const { loss, norm, gradient } = program.gradient(batch, targets, { seed: 0, step: 0 });
    const logits = program.logits(batch);
    const views = made.layout.views(gradient.values());
    gradient.dispose();
    expect(tf.getNumOfTensors()).toBe(before);
    expect(loss).toBeCloseTo(golden.loss, 5);
    expect(norm / Math.hypot(...[...views.values()].flatMap(({ values }) => Array.from(values)))).toBeCloseTo(1, 5);
    golden.logits.flat(Infinity).forEach((logit: number, i: number) => {
      const token = Math.floor(i / golden.classes);
      const row = golden.rows[golden.gradientBatch[Math.floor(token / batch.S)]];
      // Padding has logits too if every token is asked, but no meaning.
      if (perToken && token % batch.S >= row.ids.length) return;
      expect(logits[i]).toBeCloseTo(logit, 4);
    });
    // Alone, a row has no padding, and the same logits.
    for (const [i, row] of golden.gradientBatch.slice(0, 3).entries()) {
      const wanted = golden.logits[i].flat();
      for (const [at, logit] of program.logits(prefix.read([row])).entries()) expect(logit).toBeCloseTo(wanted[at], 4);
    }
    const expected = [...stored.tensors.keys()].filter((key) => key.startsWith('gradient/'));
    expect([...views.keys()].sort()).toEqual(expected.map((key) => key.slice('gradient/'.length)).sort());
    for (const key of expected) {
      const { values } = views.get(key.slice('gradient/'.length))!;
      expect(relative(values, stored.float32(key))).toBeLessThan(1e-4);
    }
  });

  it("takes the oracle's twenty steps", () => {
    const { golden, stored, made, program, prefix, labels } = prepared;
    const schedule = { ...golden.options, seed: 0 };
    const training = new Training(program, schedule);
    const before = tf.getNumOfTensors();
    golden.batches.forEach((batch: number[], step: number) => {
      const loss = training.step(prefix.read(batch), labels(batch), step);
      expect(Math.abs(loss - golden.losses[step])).toBeLessThan(1e-3 * Math.max(1, golden.losses[step]));
    });
    expect(tf.getNumOfTensors()).toBe(before);
    for (const [key, { values }] of made.layout.views(program.read().parameters)) {
      expect(relative(values, stored.float32(`final/${key}`))).toBeLessThan(1e-3);
    }
  });
});
