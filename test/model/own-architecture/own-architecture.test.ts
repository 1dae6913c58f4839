import * as fs from 'node:fs';
import * as path from 'node:path';
import { exportCheckpoint } from '../../../delta/checkpoint-export';
import { type Delta, deltaParts, readDelta, writeDelta } from '../../../delta/delta';
import { publishOnnxFolder } from '../../../delta/onnx-export';
import { writeOnnxFiles } from '../../../delta/onnx-files';
import { tuningOf } from '../../../delta/tuning';
import { undoCheckpoint } from '../../../delta/undo';
import { follow } from '../../../foundation/follow';
import { rankHeads } from '../../../heads/ranking';
import { onnxLogits } from '../../../infra/onnx/onnx-model';
import { loadTensorFlow } from '../../../infra/tensorflow';
import type { Architecture, HeadRole, HeadSlice, ModelTensor } from '../../../model/architecture';
import { ARCHITECTURES } from '../../../model/architectures';
import { type Checkpoint, openCheckpoint } from '../../../model/checkpoint';
import type { Range } from '../../../model/operations';
import { SafetensorsFile } from '../../../model/safetensors';
import { logits } from '../../../trainer/inference';
import { FreshRows } from '../../../trainer/prefix';
import { Program } from '../../../trainer/program';
import { TokenRows } from '../../../trainer/token-rows';
import { trainable } from '../../../trainer/trainable';
import { Training } from '../../../trainer/training';
import { expectNear, expectSameCounts, type Golden } from '../../analyzer/golden';
import { GOLDEN_OPTIONS, run, TRAIN } from '../../analyzer/run';
import { expectSameFiles, FIXTURES, randomDelta, temporaryFolder } from '../../support/deltas';

/*
 * An architecture that nothing else in this package knows goes through every phase: analysis,
 * training, delta, merge, undo and ONNX export. Its numbers are PyTorch's: see make_golden.py.
 */
const at = (layer: number, module: string) => `layers.${layer}.${module}`;
const weight = (module: string, shape: number[]): ModelTensor => ({ name: `${module}.weight`, shape });
const EPSILON = 1e-5;

/**
 * Encoder with norms before each part, keys, queries and values in one matrix, a gated feed-forward
 * and no biases.
 */
const own: Architecture = {
  modelType: 'own',
  classPrefix: 'Own',
  prefixes: [''],
  legacyEndings: [],
  config: {
    layers: 'depth',
    heads: 'heads',
    hiddenSize: 'width',
    intermediateSize: 'inner',
    vocabSize: 'words',
    positionRows: 'places',
    padTokenId: 'pad',
  },
  defaults: { typeVocabSize: 0 },
  positions: 'fromZero',
  segments: false,
  wordEmbeddings: 'words',
  layerPrefix: 'layers.',

  tensors: ({ layers, hiddenSize: d, intermediateSize: di, vocabSize, positionRows }) => [
    weight('words', [vocabSize, d]),
    weight('places', [positionRows, d]),
    ...Array.from({ length: layers }, (_, layer) => [
      weight(at(layer, 'before_attention'), [d]),
      weight(at(layer, 'fused'), [3 * d, d]),
      weight(at(layer, 'out'), [d, d]),
      weight(at(layer, 'before_gate'), [d]),
      weight(at(layer, 'gate'), [2 * di, d]),
      weight(at(layer, 'down'), [d, di]),
    ]).flat(),
  ],

  headSlices({ headDim, hiddenSize: d }, layer, head) {
    const slice = (module: string, axis: HeadSlice['axis'], role: HeadRole, from: number): HeadSlice => {
      const first = from + head * headDim;
      return { tensor: `${at(layer, module)}.weight`, axis, ranges: [[first, first + headDim]], role };
    };
    return [
      slice('fused', 'rows', 'k', 0),
      slice('fused', 'rows', 'q', d),
      slice('fused', 'rows', 'v', 2 * d),
      slice('out', 'columns', 'o', 0),
    ];
  },

  neuronSlices: ({ intermediateSize: di }, layer, neuron) => {
    const ranges = (of: readonly number[]): Range[] => of.map((from) => [from + neuron, from + neuron + 1]);
    return [
      { tensor: `${at(layer, 'gate')}.weight`, axis: 'rows', ranges: ranges([0, di]) },
      { tensor: `${at(layer, 'down')}.weight`, axis: 'columns', ranges: ranges([0]) },
    ];
  },

  taskHead: () => ({
    reads: 'mean',
    own: ['answer'],
    output: 'answer',
    tensors: ({ hiddenSize }, outputs) => [weight('answer', [outputs, hiddenSize])],
    logits: (net, _, x) => net.linear(x, 'answer'),
  }),

  embed: (net) => net.add(net.embed('words', 'ids'), net.embed('places', 'positions')),

  attend(net, { heads, headDim, hiddenSize: d }, layer, x, asking) {
    const part = (input: typeof x, i: number, factor = 1) => {
      const normed = net.layerNorm(input, at(layer, 'before_attention'), EPSILON);
      return net.splitHeads(net.linear(normed, at(layer, 'fused'), { rows: [i * d, (i + 1) * d], factor }), heads);
    };
    const scores = net.scores(part(asking, 1, headDim ** -0.5), part(x, 0));
    return net.weightedSum(net.softmax(net.maskPadding(scores)), part(x, 2));
  },

  afterHeads(net, { intermediateSize: di }, layer, asking, heads) {
    const middle = net.add(asking, net.linear(net.joinHeads(heads), at(layer, 'out')));
    const normed = net.layerNorm(middle, at(layer, 'before_gate'), EPSILON);
    const half = (from: number) => net.linear(normed, at(layer, 'gate'), { rows: [from, from + di] });
    const gated = net.multiply(net.activate(half(0), 'silu'), half(di));
    return net.add(middle, net.linear(gated, at(layer, 'down')));
  },
};
ARCHITECTURES.set(own.modelType, own);

const tf = loadTensorFlow('cpu');
const scratch = temporaryFolder('own');
const base = path.join(scratch, 'own');
const golden = JSON.parse(fs.readFileSync(path.join(__dirname, 'training.golden.json'), 'utf8'));
const stored = SafetensorsFile.open(path.join(__dirname, 'training.golden.safetensors'));
const heads = (golden.heads as number[][]).flatMap((chosen, layer) =>
  chosen.map((head) => ({ layer, head, score: 1 })),
);
let checkpoint: Checkpoint;

beforeAll(async () => {
  fs.mkdirSync(base);
  for (const name of ['config.json', 'model.safetensors'])
    fs.copyFileSync(path.join(__dirname, name), path.join(base, name));
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    fs.copyFileSync(path.join(FIXTURES, 'tiny-modernbert', name), path.join(base, name));
  }
  checkpoint = await openCheckpoint(base);
});
afterAll(() => {
  checkpoint.close();
  stored.close();
  fs.rmSync(scratch, { recursive: true });
});

/** Distance of two vectors over the length of the second. */
const relative = (found: Float32Array, wanted: Float32Array) =>
  Math.hypot(...found.map((value, i) => value - wanted[i])) / Math.hypot(...wanted);

/** The golden task head and slices, after the twenty steps. */
function trained(): Delta {
  const labels = Array.from({ length: golden.classes }, (_, i) => `label ${i}`);
  const delta = randomDelta(checkpoint, { heads: golden.heads, tune: 'qkvo', labels });
  for (const { name, canonical, shape } of deltaParts(checkpoint, delta.info)) {
    delta.tensors.set(name, { shape, values: stored.float32(`final/${canonical}`) });
  }
  return delta;
}

it.each([false, true])('has the analysis of the float64 oracle (exact: %s)', async (exact) => {
  const file = fs.readFileSync(path.join(__dirname, 'analysis.golden.json'), 'utf8');
  const { maxLength, headNorms, analyses } = JSON.parse(file) as Golden;
  const wanted = analyses.train;
  const options = { ...GOLDEN_OPTIONS, samples: wanted.samples, maxLength, exact };
  const { result: report } = await run({ model: base, data: TRAIN, options });
  expectSameCounts(report, wanted);
  expectNear(report.richness, wanted.richnessByXi['0.9'], 0.02);
  expectNear(report.correlation.pearson, wanted.correlation.pearson, 1e-5);
  expectNear(report.correlation.covariance, wanted.correlation.covariance, 1e-5);
  expectNear(report.headNorms, headNorms, 1e-5);
  for (const { pagerank, rankCorrelations: _, ...ranking } of wanted.rankings) {
    expectNear(rankHeads(report, ranking).pagerank, pagerank, 1e-4);
  }
});

it("has PyTorch's logits, loss, gradients and twenty steps", () => {
  const tuning = tuningOf(checkpoint.config, { heads, tune: 'qkvo' });
  const { layout, initial } = trainable(checkpoint, tuning, golden.classes, 0);
  layout.views(initial).get('answer.weight')!.values.set(stored.float32('head/answer.weight'));
  const parts = {
    checkpoint,
    tuning,
    layout,
    outputs: golden.classes as number,
    objective: { problem: 'single-label' as const },
  };
  const program = new Program(tf, parts, initial);
  const rows = new FreshRows({ program, checkpoint, tokens: new TokenRows(checkpoint) }, golden.rows);
  const labels = (batch: number[]) => batch.map((row) => golden.rows[row].label as number);
  const { gradientBatch } = golden;

  expectNear(Array.from(program.logits(rows.read(gradientBatch))), golden.logits, 1e-4);
  const { loss, gradient } = program.gradient(rows.read(gradientBatch), labels(gradientBatch), { seed: 0, step: 0 });
  const gradients = layout.views(gradient.values());
  gradient.dispose();
  expect(loss).toBeCloseTo(golden.loss, 5);
  for (const [name, { values }] of gradients) {
    expect(relative(values, stored.float32(`gradient/${name}`))).toBeLessThan(1e-4);
  }

  const training = new Training(program, { ...golden.options, seed: 0 });
  for (const [step, batch] of (golden.batches as number[][]).entries()) {
    expect(Math.abs(training.step(rows.read(batch), labels(batch), step) - golden.losses[step])).toBeLessThan(1e-3);
  }
  for (const [name, { values }] of layout.views(program.read().parameters)) {
    expect(relative(values, stored.float32(`final/${name}`))).toBeLessThan(1e-3);
  }
  program.close();
});

it('has a delta, a merged checkpoint, and the base again byte for byte', async () => {
  const delta = trained();
  const written = path.join(scratch, 'delta');
  writeDelta(written, delta);
  const read = readDelta(written, checkpoint);
  expect(read.tensors).toEqual(delta.tensors);

  const merged = path.join(scratch, 'merged');
  await exportCheckpoint({ checkpoint, delta, dtype: 'float32', out: merged });
  const rows = golden.gradientBatch.map((row: number) => golden.rows[row]);
  const options = { batchSize: 4, maxLength: 24, device: 'cpu' as const };
  const answers = (asked: { model: string; delta?: string }) =>
    follow(logits(tf, { ...asked, rows, options }), () => {});
  const apart = await answers({ model: base, delta: written });
  const whole = await answers({ model: merged });
  expectNear(Array.from(whole.values), Array.from(apart.values), 1e-5);

  const undone = path.join(scratch, 'undone');
  undoCheckpoint(merged, undone);
  expectSameFiles(undone, base);
});

it("has an ONNX folder with the trainer's logits", async () => {
  const delta = trained();
  const written = path.join(scratch, 'delta-of-onnx');
  writeDelta(written, delta);
  const options = { batchSize: 8, maxLength: 24, device: 'cpu' as const };
  const [model] = await publishOnnxFolder(path.join(scratch, 'onnx'), ['fp32'], {
    write: async (folder, dtypes) => writeOnnxFiles({ checkpoint, delta, dtypes, folder }),
    reference: (rows) => follow(logits(tf, { model: base, delta: written, rows, options }), () => {}),
    answers: (folder, dtypes, rows) => follow(onnxLogits({ folder, dtypes, rows, options }), () => {}),
  });
  expect(model.largestDifference).toBeLessThan(1e-4);
});
