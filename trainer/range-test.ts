import { likeLengthBatches } from '../data/batches';
import { type RateChoice, TRAIN_DEFAULTS, type TrainEvent, type TriedRate } from '../delta/training-options';
import { breathe } from '../foundation/breathe';
import { diverged } from '../foundation/errors';
import { StageMeter } from '../foundation/progress';
import { type LabelledRows, targetsOf } from './inputs';
import type { HiddenRows } from './prefix';
import type { Program } from './program';

/*
 * Range test (after Smith 2017, arXiv 1506.01186): losses after single steps of rising length, each
 * from the initial parameters, along the direction in which AdamW would step there. They bound the
 * learning rate: the training's steps together reach the length at which the loss is lowest, and a
 * single step stays far below the length at which the loss has risen again. Within these bounds the
 * rate is the default; a finer choice would follow the noise of a few rows.
 */

/** Shortest step; each further one is twice as long. */
const SHORTEST = 1e-5;
/** Most steps; the longest is 0.33. */
const MOST_STEPS = 16;
/**
 * A step is too long if the loss after it is this many times the lowest, or has returned to this
 * many times the loss before any step.
 */
const TOO_HIGH = { lowest: 1.25, before: 1.1 };
/** Highest learning rate as a share of the shortest step that is too long. */
const SHARE = 1 / 8;
/** AdamW's ε, which only keeps 0/0 out. */
const EPSILON = 1e-8;

/**
 * Most work of a test in epochs, counted in rows. Its small batches take longer per row, so the
 * rest of half an epoch is left to them.
 */
const MOST_EPOCHS = 0.4;
/** Share of the cost that the gradients have; the losses have the rest. */
const GRADIENT_SHARE = 0.3;
/** Cost of a loss in units of a gradient, which also needs a backward pass. */
const FORWARD = 1 / 3;
/** Losses of the longest test: before any step and after each. */
export const MOST_LOSSES = MOST_STEPS + 1;
/** Gradients whose mean is the direction, and most rows of each loss. */
const GRADIENTS = 8;
const MOST_LOSS_ROWS = 256;
/** Least rows of the gradients, and of each loss; with fewer the losses are noise. */
const LEAST_ROWS = 8;

/** Batches of a test. No row is in two of them. */
export interface TestBatches {
  gradients: Int32Array[];
  losses: Int32Array[];
}

/**
 * Draws the batches of a test that costs at most half an epoch. A pure function of its arguments.
 *
 * @param lengths number of tokens of each training row
 * @returns undefined if there are too few rows
 */
export function testBatches(
  lengths: ArrayLike<number>,
  { batchSize, seed }: { batchSize: number; seed: number },
): TestBatches | undefined {
  const cost = MOST_EPOCHS * lengths.length;
  const gradientRows = Math.min(Math.floor(GRADIENT_SHARE * cost), GRADIENTS * batchSize);
  const lossRows = Math.min(Math.floor(((1 - GRADIENT_SHARE) * cost) / (MOST_LOSSES * FORWARD)), MOST_LOSS_ROWS);
  if (Math.min(gradientRows, lossRows) < LEAST_ROWS) return undefined;
  const size = Math.floor(gradientRows / GRADIENTS);
  const batches = likeLengthBatches(lengths, { batchSize: size, seed, epoch: 0 }).filter(
    ({ length }) => length === size,
  );
  const lossBatches = Math.max(1, Math.floor(lossRows / size));
  return { gradients: batches.slice(0, GRADIENTS), losses: batches.slice(GRADIENTS, GRADIENTS + lossBatches) };
}

/** Network before its first step, with its rows. */
export interface TestedTraining {
  program: Program;
  /** Parameters before the first step. // [P] */
  initial: Float32Array;
  hidden: HiddenRows;
  rows: Pick<LabelledRows, 'encoded' | 'targets'>;
}

/**
 * Chooses the learning rate of a training by a range test on its training rows. Leaves the program
 * as it was. With too few rows for a test the rate is the default.
 *
 * @param options its batch size, seed and number of steps
 * @throws HifiError DIVERGED if the loss is no finite number before any step; CANCELLED by `signal`
 */
export async function* rangeTest(
  { program, initial, hidden, rows }: TestedTraining,
  options: { batchSize: number; seed: number; steps: number },
  signal?: AbortSignal,
): AsyncGenerator<TrainEvent, RateChoice> {
  const started = performance.now();
  const batches = testBatches(hidden.lengths, options);
  if (!batches) return withoutTest(rows.encoded.length);
  const meter = new StageMeter('range', GRADIENTS + MOST_STEPS, 'steps');
  let done = 0;
  yield meter.at(done);
  const sums = new Direction(initial.length);
  for (const batch of batches.gradients) {
    const at = { seed: options.seed, step: done };
    const { gradient } = program.gradient(hidden.read(batch), targetsOf(rows, batch), at);
    sums.add(gradient.values());
    gradient.dispose();
    yield* meter.due(++done);
    await breathe(signal);
  }
  const direction = sums.mean();
  const moved = new Float32Array(initial.length);
  const lossAfter = async (step: number) => {
    for (let i = 0; i < moved.length; i++) moved[i] = initial[i] - step * direction[i];
    program.write({ parameters: moved });
    let sum = 0;
    let count = 0;
    for (const batch of batches.losses) {
      sum += batch.length * program.loss(hidden.read(batch), targetsOf(rows, batch));
      count += batch.length;
      await breathe(signal);
    }
    return sum / count;
  };
  const before = await lossAfter(0);
  if (!Number.isFinite(before)) throw diverged(`the loss before the first step is ${before}`);
  const tried: TriedRate[] = [];
  for (let power = 0; power < MOST_STEPS && !boundsOf(before, tried).high; power++) {
    const lr = Number((SHORTEST * 2 ** power).toPrecision(6));
    const loss = await lossAfter(lr);
    const finite = Number.isFinite(loss);
    tried.push({ lr, loss: finite ? loss : null });
    yield meter.at(++done, { lr, ...(finite && { loss }) });
  }
  program.write({ parameters: initial });
  const sizes = (of: readonly Int32Array[]) => of.reduce((sum, { length }) => sum + length, 0);
  return {
    ...choiceOf(before, tried, options.steps),
    tried,
    rows: sizes(batches.gradients) + (tried.length + 1) * sizes(batches.losses),
    seconds: (performance.now() - started) / 1000,
  };
}

/** Steps that bound the learning rate. */
interface Bounds {
  /** Length of the step with the lowest loss, the shortest of equals; 0 if each raises the loss. */
  low: number;
  /** Shortest length after that at which a step is too long; absent if none is. */
  high?: number;
}

/**
 * Finds the bounds among the tried steps.
 *
 * @param before loss before any step
 * @param tried in ascending order
 */
function boundsOf(before: number, tried: readonly TriedRate[]): Bounds {
  const steps = [{ lr: 0, loss: before }, ...tried].map(({ lr, loss }) => ({ lr, loss: loss ?? Infinity }));
  const low = steps.reduce((a, b) => (b.loss < a.loss ? b : a));
  const limit = Math.min(TOO_HIGH.lowest * low.loss, TOO_HIGH.before * before);
  const at = steps.findIndex(({ lr, loss }) => lr > low.lr && loss >= limit);
  if (at < 0) return { low: low.lr };
  const [below, above] = [steps[at - 1], steps[at]];
  const share = Number.isFinite(above.loss) ? (limit - below.loss) / (above.loss - below.loss) : 1;
  return { low: low.lr, high: below.lr + share * (above.lr - below.lr) };
}

/**
 * Chooses the learning rate from the losses after the tried steps: the default, within the bounds.
 * If these contradict each other, the upper one decides.
 *
 * @param before loss before any step
 * @param tried in ascending order
 * @param steps number of steps of the training; their rates are half the learning rate on average
 */
export function choiceOf(
  before: number,
  tried: readonly TriedRate[],
  steps: number,
): Pick<RateChoice, 'lr' | 'reason'> {
  const { low, high = 2 * tried[tried.length - 1].lr } = boundsOf(before, tried);
  const [least, most] = [twoDigits((2 * low) / steps), twoDigits(SHARE * high)];
  const reach = `${steps} steps reach ${twoDigits(low)}, where the loss is lowest`;
  const stay = `each stays below an eighth of ${twoDigits(high)}, where the loss has risen again`;
  const { lr } = TRAIN_DEFAULTS;
  if (Math.max(lr, least) > most) return { lr: most, reason: `the highest with which ${stay}; the default is ${lr}` };
  if (lr < least) return { lr: least, reason: `the lowest with which ${reach}; the default is ${lr}` };
  return { lr, reason: `the default: from ${least} on ${reach}; up to ${most} ${stay}` };
}

const twoDigits = (value: number) => Number(value.toPrecision(2));

const withoutTest = (rows: number): RateChoice => ({
  lr: TRAIN_DEFAULTS.lr,
  reason: `the default: ${rows} training rows are too few for a range test at half an epoch's cost`,
  tried: [],
  rows: 0,
  seconds: 0,
});

/**
 * Direction of AdamW's step from one point, ḡ/(√(mean of g²) + ε) over the gradients of several
 * batches.
 */
class Direction {
  private readonly sum: Float32Array;
  private readonly squares: Float32Array;
  private count = 0;

  constructor(size: number) {
    this.sum = new Float32Array(size);
    this.squares = new Float32Array(size);
  }

  add(gradient: Float32Array): void {
    const { sum, squares } = this;
    for (let i = 0; i < sum.length; i++) {
      sum[i] += gradient[i];
      squares[i] += gradient[i] ** 2;
    }
    this.count++;
  }

  mean(): Float32Array {
    const { sum, squares, count } = this;
    return sum.map((value, i) => value / count / (Math.sqrt(squares[i] / count) + EPSILON));
  }
}
