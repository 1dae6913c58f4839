import { type Encoded, evaluationBatches, lengthsOf, likeLengthBatches } from '../data/batches';
import { type DataSource, type Dataset, mismatchedRows, selectRows } from '../data/dataset';
import type { Targets } from '../data/label-reading';
import { encodeLabels, fitLabels, strataOf } from '../data/labels';
import { type LabelSet, logitCount } from '../data/problem';
import { readDataset } from '../data/read';
import { drawSample, holdOut } from '../data/split';
import { windowRows, windowTarget } from '../data/windows';
import { windowOptions } from '../data/word-windows';
import { deltaBytes } from '../delta/delta';
import { PROBLEMS } from '../delta/problems';
import type { CalibrateRequest, TrainingCost } from '../delta/training-cost';
import { TRAIN_DEFAULTS, trainOptions } from '../delta/training-options';
import { tuningOf } from '../delta/tuning';
import { breathe } from '../foundation/breathe';
import { within } from '../foundation/errors';
import { peakResidentBytes } from '../foundation/process-memory';
import { StageMeter, type StageProgress } from '../foundation/progress';
import type { Mask } from '../heads/mask';
import { seededScores } from '../heads/seeded-order';
import { type SelectionOptions, selectHeads, unitsPerLayer } from '../heads/select';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { reportModelOf } from '../model/description';
import { loadTokenizer, type Tokenizer } from '../model/tokenizer';
import { interpolate, type Point } from './cost';
import { describeDelta } from './describe-delta';
import { checkDevice } from './device';
import { tokenLimit } from './inputs';
import { FreshRows, PLAN_ROWS } from './prefix';
import { Program } from './program';
import { MOST_LOSSES, testBatches } from './range-test';
import type { TensorFlow } from './session';
import { TokenRows } from './token-rows';
import { trainable } from './trainable';
import { Training } from './training';

/** Number of rows of a file that are tokenized. Their lengths stand for those of all rows. */
const SAMPLE_ROWS = 2_000;

/**
 * Quantiles of the batches' lengths at which steps are measured: the typical and the longest first.
 */
const QUANTILES = [0.5, 1, 0.9, 0.1];

/**
 * Time after which no further step starts, once the typical and the longest are measured, in
 * seconds.
 */
const BUDGET_SECONDS = 3;

/** Bytes per token in memory: an id and a segment in two lists of numbers. */
const TOKEN_BYTES = 16;

/**
 * Memory that a process gains over hundreds of steps but not over a few: garbage, and gaps in the
 * engine's pool. Measured beyond a calibration: 65 to 230 MB on short rows, 0 to 40 MB on rows of
 * 100 tokens (MiniLM, batches of 32).
 */
const GROWTH_BYTES = 128 * 2 ** 20;

/**
 * Measures a few real training steps, from the tenth shortest batch to the longest, and computes
 * the cost of the whole training from them. A row's cost is a function of its batch's length,
 * linear between two measured lengths, summed over the batches of the first epoch. Runs in a
 * process of its own, whose start and memory count. Writes nothing.
 *
 * @throws as `train` does for bad input
 */
export async function* calibrate(
  tf: TensorFlow,
  request: CalibrateRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, TrainingCost> {
  const startSeconds = process.uptime();
  const meter = new StageMeter('calibrate', QUANTILES.length, 'lengths');
  yield meter.at(0);
  const started = performance.now();
  const requested = trainOptions(request.options);
  // A step costs the same at any learning rate.
  const options = { ...requested, lr: requested.lr === 'auto' ? TRAIN_DEFAULTS.lr : requested.lr };
  checkDevice(tf, options.device);
  const checkpoint = await within('model', () => openCheckpoint(request.model));
  try {
    const mask = await within('selection', () => drawnMask(checkpoint, request.selection));
    const tokenizer = await within('model', () => loadTokenizer(request.model));
    const maxLength = tokenLimit(checkpoint, options.maxLength);
    const { labels, train, dev } = await readRows(request, tokenizer, checkpoint.config, maxLength, options.seed);
    const outputs = logitCount(labels);
    const tuning = tuningOf(checkpoint.config, mask);
    const { layout, initial, tunedParameters, taskHeadParameters } = trainable(
      checkpoint,
      tuning,
      outputs,
      options.seed,
      PROBLEMS[labels.problem].taskHead,
    );
    const parts = { checkpoint, tuning, layout, outputs, objective: { problem: labels.problem } };
    const program = new Program(tf, parts, initial);
    const stepsPerEpoch = Math.ceil(train.rows / options.batchSize);
    const steps = options.epochs * stepsPerEpoch;
    const training = new Training(program, { ...options, steps });
    try {
      const { layers } = checkpoint.config;
      const frozen = new FreshRows({ program, checkpoint, tokens: new TokenRows(checkpoint) }, train.encoded);
      const loadSeconds = (performance.now() - started) / 1000;
      const { batchSize, seed } = options;
      // Where nothing is tuned every row is one token long to the task head; its own length counts
      // for the frozen layers.
      const seen = (lengths: Int32Array) => (program.lowest === layers ? lengths.map(() => 1) : lengths);
      const batches = likeLengthBatches(train.lengths, { batchSize, seed, epoch: 0 });
      const cost = { frozen: [] as Point[], step: [] as Point[], evaluation: [] as Point[] };
      const measuring = performance.now();
      let step = 0;
      for (const [i, batch] of atQuantiles(batches, train.lengths).entries()) {
        if (i >= 2 && (performance.now() - measuring) / 1000 > BUDGET_SECONDS) break;
        const rows = batch.map((row) => row % train.encoded.length);
        const targets = Array.from(rows, (row) => train.targets[row]);
        const whole = longest(train.lengths, batch);
        const run = (work: () => unknown) => secondsOf(work) / rows.length;
        if (i === 0) training.step(frozen.read(rows), targets, step++); // the engine's first steps are slower than all others
        let hidden = frozen.read(rows);
        const reading = run(() => {
          hidden = frozen.read(rows);
        });
        // Each step computes the embeddings; the frozen layers' output is cached.
        const again = program.lowest === 0 ? reading : 0;
        const at = program.lowest === layers ? 1 : whole;
        cost.frozen.push({ at: whole, seconds: program.lowest === 0 ? 0 : reading });
        cost.step.push({ at, seconds: again + run(() => training.step(hidden, targets, step++)) });
        cost.evaluation.push({ at, seconds: again + run(() => program.logits(hidden)) });
        await breathe(signal);
        yield meter.at(i + 1);
      }
      program.read(); // as a checkpoint does
      yield meter.at(QUANTILES.length);

      const sum = (points: Point[], all: Int32Array[], lengths: Int32Array) =>
        all.reduce((total, rows) => total + rows.length * interpolate(points, longest(lengths, rows)), 0);
      const frozenPass = [train, ...dev].reduce(
        (total, { lengths }) => total + sum(cost.frozen, evaluationBatches(lengths, PLAN_ROWS), lengths),
        0,
      );
      const evaluation = dev.reduce((total, { lengths }) => {
        const tuned = seen(lengths);
        return total + sum(cost.evaluation, evaluationBatches(tuned, batchSize), tuned);
      }, 0);
      const tested = requested.lr === 'auto' ? testBatches(seen(train.lengths), options) : undefined;
      const rangeTest = tested
        ? sum(cost.step, tested.gradients, seen(train.lengths)) +
          MOST_LOSSES * sum(cost.evaluation, tested.losses, seen(train.lengths))
        : 0;
      const restOfEncoding = [train, ...dev].reduce((total, set) => total + set.restSeconds, 0);
      const restOfTokens = [train, ...dev].reduce((total, set) => total + set.restTokens, 0);
      // Also the other rows' tokens, the best epoch's parameters, and a range test's gradients,
      // their squares and its moved parameters.
      const furtherBytes = GROWTH_BYTES + TOKEN_BYTES * restOfTokens + (tested ? 16 : 4) * layout.size;
      return {
        heads: mask.heads.length,
        trainableParameters: tunedParameters,
        taskHeadParameters,
        totalParameters: checkpoint.parameters,
        deltaBytes: deltaBytes(checkpoint, describeDelta(checkpoint, mask, labels, train.dataset.task, options)),
        rows: { train: train.rows, dev: dev.reduce((total, set) => total + set.rows, 0) },
        steps,
        seconds: {
          preparation: startSeconds + loadSeconds + restOfEncoding + frozenPass + rangeTest,
          steps: options.epochs * sum(cost.step, batches, seen(train.lengths)),
          evaluation: options.epochs * evaluation,
        },
        peakBytes: peakResidentBytes() + furtherBytes,
      };
    } finally {
      program.close();
    }
  } finally {
    checkpoint.close();
  }
}

/** Draws as many heads or neurons of each layer as the strategy would choose. */
function drawnMask(checkpoint: Checkpoint, selection: SelectionOptions): Mask {
  const model = reportModelOf(checkpoint);
  const units = unitsPerLayer(model, selection.tune);
  const drawn = seededScores(0, model.layers * units);
  const scores = Array.from({ length: model.layers }, (_, layer) => drawn.slice(layer * units, (layer + 1) * units));
  return selectHeads({ model, strategy: selection.strategy, scores }, selection);
}

/** Rows of a file, some of them tokenized. */
interface SampledRows {
  dataset: Dataset;
  /** Number of rows in total. */
  rows: number;
  encoded: Encoded[];
  /** Targets of `encoded`. */
  targets: Targets;
  /** Lengths of all rows: those of `encoded`, repeated. // [rows] */
  lengths: Int32Array;
  /** Seconds and tokens of the rows that are not tokenized. */
  restSeconds: number;
  restTokens: number;
}

async function readRows(
  source: { train: DataSource; dev?: DataSource },
  tokenizer: Tokenizer,
  config: ModelConfig,
  maxLength: number,
  seed: number,
): Promise<{ labels: LabelSet; train: SampledRows; dev: SampledRows[] }> {
  const whole = await within('train', () => readDataset(source.train, 'labels'));
  const labels = await within('train', () => fitLabels(whole));
  const sampled = (dataset: Dataset, all: Int32Array): SampledRows => {
    const sample = drawSample(all.length, SAMPLE_ROWS, seed).map((at) => all[at]);
    const targets = encodeLabels(dataset, labels);
    let encoded: Encoded[] = [];
    const seconds = secondsOf(() => {
      const options = windowOptions({ maxLength });
      encoded = windowRows(selectRows(dataset, sample), tokenizer, options, config).windows;
    });
    const known = lengthsOf(encoded);
    const rest = all.length / sample.length - 1;
    return {
      dataset,
      rows: all.length,
      encoded,
      targets: Array.from(sample, (row, i) => windowTarget(encoded[i], targets[row])),
      lengths: Int32Array.from(all, (_, i) => known[i % known.length]),
      restSeconds: rest * seconds,
      restTokens: Math.ceil(rest * known.reduce((a, b) => a + b, 0)),
    };
  };
  const every = (dataset: Dataset) =>
    sampled(
      dataset,
      Int32Array.from({ length: dataset.rows }, (_, row) => row),
    );
  if (!source.dev) {
    return within('train', () => {
      const { train, dev } = holdOut(strataOf(encodeLabels(whole, labels), labels), seed);
      return { labels, train: sampled(whole, train), dev: [sampled(whole, dev)] };
    });
  }
  const second = mismatchedRows(source.dev);
  const dev = second ? [source.dev, second] : [source.dev];
  return {
    labels,
    train: await within('train', () => every(whole)),
    dev: await within('dev', () => Promise.all(dev.map(async (each) => every(await readDataset(each, 'labels'))))),
  };
}

/** Returns the batches at {@link QUANTILES} of their lengths, each length once. */
function atQuantiles(batches: readonly Int32Array[], lengths: Int32Array): Int32Array[] {
  const sorted = batches.toSorted((a, b) => longest(lengths, a) - longest(lengths, b));
  const chosen = QUANTILES.map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  return chosen.filter(
    (batch, i) => chosen.findIndex((other) => longest(lengths, other) === longest(lengths, batch)) === i,
  );
}

const longest = (lengths: Int32Array, rows: Int32Array) => rows.reduce((most, row) => Math.max(most, lengths[row]), 0);

function secondsOf(work: () => unknown): number {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
}
