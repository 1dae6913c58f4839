import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import type { Ablation, AblationRequest } from '../../delta/ablation';
import { writeDelta } from '../../delta/delta';
import { PROBLEMS, problemStoredAs } from '../../delta/problems';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { loadTensorFlow } from '../../infra/tensorflow';
import { architectureOf } from '../../model/architectures';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { SafetensorsFile } from '../../model/safetensors';
import { ablate, evaluate } from '../../trainer/inference';
import { Program } from '../../trainer/program';
import { TokenRows } from '../../trainer/token-rows';
import { trainable } from '../../trainer/trainable';
import { drain } from '../analyzer/run';
import { type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';
import { tuningOfCase } from '../support/golden-tuning';
import { PROBLEM_ROWS, type ProblemRow } from '../support/problem-rows';
import { devSentences, model, sentences } from './runs';

const tf = loadTensorFlow();
const root = temporaryFolder('ablation');
afterAll(() => fs.rmSync(root, { recursive: true }));
const { batchSize, maxLength, device } = TRAIN_DEFAULTS;
const options = { batchSize, maxLength, device };

/** Model and task head of a case of training-golden, whose heads can be gated off. */
async function gatedCase(name: string, edited: (checkpoint: Checkpoint) => Checkpoint = (as) => as) {
  const folder = path.join(FIXTURES, 'training-golden');
  const golden = JSON.parse(fs.readFileSync(path.join(folder, `${name}.golden.json`), 'utf8'));
  const stored = SafetensorsFile.open(path.join(folder, `${name}.golden.safetensors`));
  const checkpoint = edited(await openCheckpoint(path.join(FIXTURES, golden.model)));
  const problem = problemStoredAs(golden.problemType);
  const tuning = tuningOfCase(checkpoint.config, golden);
  const { layout, initial } = trainable(checkpoint, tuning, golden.classes, 0, PROBLEMS[problem].taskHead);
  for (const { name: slot, offset } of layout.slots) {
    if (stored.tensors.has(`head/${slot}`)) initial.set(stored.float32(`head/${slot}`), offset);
  }
  const outputs: number = golden.classes;
  const program = new Program(
    tf,
    { checkpoint, tuning, layout, outputs, objective: { problem }, gates: 'fed' },
    initial,
  );
  const rows = golden.gradientBatch.map((row: number) => golden.rows[row]);
  const hidden = program.frozen(new TokenRows(checkpoint, program.readsWords).batch(rows));
  return {
    config: checkpoint.config,
    logits: (off: readonly number[][]) =>
      program.logits(
        hidden,
        off.map(([layer, head]) => ({ layer, head })),
      ),
    close() {
      program.close();
      checkpoint.close();
      stored.close();
    },
  };
}

// Against PyTorch and transformers in float64: see test/fixtures/make_ablation_golden.py.
const cases: { case: string; off: number[][][]; logits: number[][][] }[] = JSON.parse(
  fs.readFileSync(path.join(FIXTURES, 'ablation.golden.json'), 'utf8'),
);

test.each(cases.map((each) => [each.case, each] as const))(
  '%s has the logits of hooks that zero heads',
  async (name, golden) => {
    const gated = await gatedCase(name);
    for (const [set, off] of golden.off.entries()) {
      const found = gated.logits(off);
      for (const [at, logit] of golden.logits[set].flat().entries()) {
        expect(Math.abs(found[at] - logit)).toBeLessThan(2e-5 * Math.max(1, Math.abs(logit)));
      }
    }
    gated.close();
  },
);

test.each(['modernbert', 'llama'])(
  '%s with all heads gated off is the model whose W_O is zero, bit for bit',
  async (name) => {
    const withoutOutputs = (checkpoint: Checkpoint): Checkpoint => {
      const { config } = checkpoint;
      const outputs = new Set(
        Array.from({ length: config.layers }, (_, layer) => architectureOf(config).headSlices(config, layer, 0))
          .flat()
          .filter(({ role }) => role === 'o')
          .map(({ tensor }) => tensor),
      );
      const tensor: Checkpoint['tensor'] = (canonical, ...part) => {
        const values = checkpoint.tensor(canonical, ...part);
        return outputs.has(canonical) ? new Float32Array(values.length) : values;
      };
      return { ...checkpoint, tensor };
    };
    const [gated, edited] = [await gatedCase(name), await gatedCase(name, withoutOutputs)];
    const { layers, heads } = gated.config;
    const all = Array.from({ length: layers * heads }, (_, node) => [Math.floor(node / heads), node % heads]);
    expect(gated.logits(all)).toEqual(edited.logits([]));
    expect(gated.logits([])).not.toEqual(edited.logits([]));
    gated.close();
    edited.close();
  },
);

/** Folder of a delta of drawn values. */
async function deltaOf(shape: DeltaShape, base = model): Promise<string> {
  const checkpoint = await openCheckpoint(base);
  const folder = path.join(fs.mkdtempSync(path.join(root, 'delta-')), 'delta');
  writeDelta(folder, randomDelta(checkpoint, { scale: 0.3, ...shape }));
  checkpoint.close();
  return folder;
}

/** File of rows with labels. */
function rowsFile(name: string, rows: readonly ProblemRow[]): string {
  const file = path.join(root, `${name}.jsonl`);
  const words = (text: string) => (name === 'tokens' ? text.split(' ') : text);
  fs.writeFileSync(
    file,
    rows.map(({ text, second, label }) => `${JSON.stringify({ text: words(text), second, label })}\n`).join(''),
  );
  return file;
}

const HEADS = [[1, 3], [0]];
const measured = async (request: Omit<AblationRequest, 'options' | 'seed'> & { seed?: number }): Promise<Ablation> =>
  (await drain(ablate(tf, { seed: 0, ...request, options }))).result;

const labelled = { textColumns: ['text'], labelColumn: 'label' };
const PROBLEM_CASES: [string, Omit<DeltaShape, 'heads'>, () => DataSource][] = [
  ['a label', { labels: ['0', '1'] }, () => devSentences],
  ['a number', {}, () => sentences],
  [
    'several labels',
    { labels: ['farmer', 'market', 'song'], problemType: 'multi_label_classification' },
    () => ({ ...labelled, path: rowsFile('multi-label', PROBLEM_ROWS['multi-label'](40)) }),
  ],
  [
    'words',
    {
      labels: ['B-DATE', 'B-LOC', 'B-ORG', 'B-PER', 'I-DATE', 'I-LOC', 'I-ORG', 'I-PER', 'O'],
      problemType: 'token_classification',
    },
    () => ({ ...labelled, path: rowsFile('tokens', PROBLEM_ROWS.tokens(40)) }),
  ],
  [
    'relevance',
    { problemType: 'relevance' },
    () => ({ ...labelled, textColumns: ['text', 'second'], path: rowsFile('relevance', PROBLEM_ROWS.relevance(80)) }),
  ],
];

test.each(PROBLEM_CASES)('measures groups of heads on rows with %s', async (_, shape, source) => {
  const delta = await deltaOf({ heads: HEADS, ...shape });
  const data = source();
  const before = tf.getNumOfTensors();
  const found = await measured({ model, delta, data });
  expect(tf.getNumOfTensors()).toBe(before);
  const { result } = await drain(evaluate(tf, { model, delta, data, options }));
  // With all heads on it is the evaluation, bit for bit.
  expect(found).toMatchObject({ task: null, metric: result.metric, rows: result.rows, strategy: 'hifi', last: null });
  expect(found.allOn.value).toBe(result.metrics[result.metric]);
  expect(found.bootstrap.unit).toBe(shape.problemType === 'relevance' ? 'queries' : 'rows');
  expect(found.tuned.heads).toEqual([
    { layer: 0, head: 1 },
    { layer: 0, head: 3 },
    { layer: 1, head: 0 },
  ]);
  expect(found.tuned.difference.value).toBeCloseTo(found.tuned.value - found.allOn.value, 12);
  const { draws, value, tunedMinusDrawn } = found.drawn!;
  expect(draws).toHaveLength(20);
  expect(value).toBeCloseTo(draws.reduce((sum, draw) => sum + draw.value, 0) / 20, 12);
  expect(tunedMinusDrawn.value).toBeCloseTo(found.tuned.value - value, 12);
  for (const { value: at, interval } of [found.allOn, found.tuned, found.tuned.difference, tunedMinusDrawn]) {
    expect(interval.low).toBeLessThanOrEqual(at);
    expect(interval.high).toBeGreaterThanOrEqual(at);
  }
});

/** Part of heads.json with a ranking in which later heads of a layer are better. */
async function ranked(base: string) {
  const { name, sha256, config, close } = await openCheckpoint(base);
  close();
  const pagerank = Array.from({ length: config.layers }, () => Array.from({ length: config.heads }, (_, head) => head));
  return { model: { name, sha256 }, pagerank } as unknown as AblationRequest['heads'];
}

test('gates off the last of the others by PageRank, above frozen layers too', async () => {
  const base = path.join(FIXTURES, 'tiny-qwen2');
  const delta = await deltaOf({ heads: [[], [0]], labels: ['0', '1'] }, base);
  const request = { model: base, delta, data: devSentences };
  const { last, drawn } = await measured({ ...request, heads: await ranked(base) });
  expect(last!.heads).toEqual([{ layer: 1, head: 1 }]);
  // Another seed draws other heads; the same head has the same value.
  const draws = [...drawn!.draws, ...(await measured({ ...request, seed: 1 })).drawn!.draws];
  expect(new Set(draws.flatMap(({ heads }) => heads.map(({ head }) => head)))).toEqual(new Set([1, 2, 3]));
  for (const { heads, value } of draws) if (heads[0].head === 1) expect(value).toBe(last!.value);
});

test('gives the same result again', async () => {
  const request = { model, delta: await deltaOf({ heads: HEADS }), data: devSentences };
  expect(await measured(request)).toEqual(await measured(request));
});

test('without enough other heads only the tuned ones are gated off', async () => {
  const delta = await deltaOf({ heads: [[0, 1, 2], [3]], labels: ['0', '1'] });
  const found = await measured({ model, delta, data: devSentences, heads: await ranked(model) });
  expect(found).toMatchObject({ drawn: null, last: null, tuned: { heads: { length: 4 } } });
});

test.each<[string, DeltaShape, string]>([
  [
    'no heads',
    { heads: [[], []] },
    'DELTA tunes no heads, so there are none to gate off: give the delta of chosen heads',
  ],
  [
    'other parts',
    { heads: HEADS, parts: [{ tensor: 'encoder.layer.0.output.dense.bias', axis: 'rows', ranges: [[0, 45]] }] },
    'DELTA tunes other parts than heads; only tuned heads can be gated off',
  ],
])('refuses a delta that tunes %s', async (_, shape, message) => {
  const delta = await deltaOf(shape);
  await expect(measured({ model, delta, data: sentences })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: message.replace('DELTA', delta),
  });
});

test('refuses the analysis of another model, and a seed out of range', async () => {
  const request = { model, delta: await deltaOf({ heads: HEADS }), data: sentences };
  const other = await ranked(path.join(FIXTURES, 'tiny-electra'));
  await expect(measured({ ...request, heads: other })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringMatching(
      /^heads is of tiny-electra \([0-9a-f]{12}…\); it must be of the delta's base, tiny-bert \([0-9a-f]{12}…\): give its heads\.json$/,
    ),
  });
  await expect(measured({ ...request, seed: -1 })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: 'ablation option seed is -1; it must be a whole number from 0 to 4294967295',
  });
});
