import * as fs from 'node:fs';
import * as path from 'node:path';
import { TRAIN_DEFAULTS, type TrainMetrics, type TrainRequest } from '../../delta/training-options';
import { runCommand } from '../../foundation/command';
import { follow } from '../../foundation/follow';
import type { Precision } from '../../foundation/precision';
import { hasBfloat16, thisProcessor } from '../../infra/bfloat16';
import { trainerEnvironment } from '../../infra/tensorflow';
import { evaluate, scoreHeads, train } from '../../trainer/training-engine';
import { temporaryFolder } from '../support/deltas';
import { deltaHash, devSentences, maskOf, model, sentences } from './runs';

/*
 * Engines of precision bf16. Each has a process of its own, because TensorFlow reads the precision
 * at the start of a process.
 */

const has = hasBfloat16(thisProcessor());
const onBfloat16 = has ? test : test.skip;
if (!has) console.warn(`${thisProcessor().model} lacks bfloat16: the tests that compute in it are skipped`);

const root = temporaryFolder('bf16');
afterAll(() => fs.rmSync(root, { recursive: true }));

async function request(options: Partial<TrainRequest['options']>): Promise<TrainRequest> {
  const mask = await maskOf([
    [1, 3],
    [0, 2, 4],
  ]);
  const out = fs.mkdtempSync(path.join(root, 'run-'));
  const all = { ...TRAIN_DEFAULTS, epochs: 2, batchSize: 8, lr: 2e-3, threads: 1, ...options };
  return { model, train: sentences, dev: devSentences, mask, options: all, out, resume: false };
}

const trained = (what: TrainRequest): Promise<TrainMetrics> => follow(train(what), () => {});

/** Trains the first epoch, and in another process the rest. */
async function resumed(what: TrainRequest): Promise<TrainMetrics> {
  const stop = new AbortController();
  const first = follow(train(what, stop.signal), ({ kind }) => {
    if (kind === 'epoch') stop.abort();
  });
  await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
  return trained({ ...what, resume: true });
}

describe('a training in bf16', () => {
  let [single, half]: { out: string; metrics: TrainMetrics }[] = [];
  const run = async (precision: Precision) => {
    const what = await request({ precision });
    return { out: what.out, metrics: await trained(what) };
  };
  beforeAll(async () => {
    if (has) [single, half] = [await run('float32'), await run('bf16')];
  });

  onBfloat16('has other numbers than one in float32, near them, and says so', () => {
    expect(deltaHash(half.out)).not.toBe(deltaHash(single.out));
    for (const [i, { trainLoss, dev }] of half.metrics.epochs.entries()) {
      const other = single.metrics.epochs[i];
      expect(Math.abs(trainLoss / other.trainLoss - 1)).toBeLessThan(0.02);
      expect(Math.abs(dev.loss / other.dev.loss - 1)).toBeLessThan(0.02);
    }
    const options = ({ out }: { out: string }) =>
      JSON.parse(fs.readFileSync(path.join(out, 'delta/delta.json'), 'utf8')).options;
    expect([half.metrics.precision, options(half).precision]).toEqual(['bf16', 'bf16']);
    expect(single.metrics.precision).toBeUndefined();
  });

  onBfloat16('has the same bits again, also if it was interrupted and resumed', async () => {
    const what = await request({ precision: 'bf16' });
    const metrics = await resumed(what);
    expect(metrics.resumedFromStep).toBeGreaterThan(0);
    expect(deltaHash(what.out)).toBe(deltaHash(half.out));
    expect(metrics.epochs.map(({ trainLoss, dev }) => [trainLoss, dev])).toEqual(
      half.metrics.epochs.map(({ trainLoss, dev }) => [trainLoss, dev]),
    );
  });

  onBfloat16('is evaluated in bf16 as it was in training', async () => {
    const options = { batchSize: 8, maxLength: 128, device: 'auto', threads: 1, precision: 'bf16' } as const;
    const delta = path.join(half.out, 'delta');
    const { loss } = await follow(evaluate({ model, delta, data: devSentences, options }), () => {});
    // In float32 the loss differs by 1e-4.
    expect(loss).toBeCloseTo(half.metrics.epochs[half.metrics.best.epoch - 1].dev.loss, 5);
  });

  onBfloat16('chooses by scores in bf16, which are near those in float32', async () => {
    const scores = (precision: Precision) =>
      follow(
        scoreHeads({ model, train: sentences, strategy: 'gradient', options: { samples: 40, threads: 1, precision } }),
        () => {},
      );
    const [exact, rounded] = [await scores('float32'), await scores('bf16')].map((each) => each.scores.flat());
    expect(rounded).not.toEqual(exact);
    for (const [i, value] of rounded.entries()) expect(Math.abs(value / exact[i] - 1)).toBeLessThan(0.1);
  });
});

/** Products as the network has them: rank 2 and 4, factors transposed or not. */
const PRODUCTS = [
  { a: [40, 96], b: [72, 96], transpose: { b: true } },
  { a: [40, 72], b: [72, 96], transpose: {} },
  { a: [40, 72], b: [40, 96], transpose: { a: true } },
  { a: [2, 3, 17, 32], b: [2, 3, 17, 32], transpose: { b: true } },
  { a: [2, 3, 17, 17], b: [2, 3, 17, 32], transpose: {} },
  { a: [2, 3, 17, 17], b: [2, 3, 17, 32], transpose: { a: true } },
];

/** Replaces the products in a file by their numbers, in a process of one precision. */
const SCRIPT = `
  const [root, file] = process.argv.slice(1);
  const fs = require('node:fs');
  const { loadTensorFlow } = require(root + '/infra/tensorflow');
  const { Ops } = require(root + '/trainer/ops');
  const { Session } = require(root + '/trainer/session');
  const tf = loadTensorFlow();
  const numbers = JSON.parse(fs.readFileSync(file)).map(({ a, b, transpose }) => {
    const ops = new Ops(tf.precision);
    const [x, y] = [a, b].map(({ shape }, i) => ops.input('input' + i, 'float32', shape));
    const product = x.shape.length === 2 ? ops.matMul(x, y, transpose) : ops.batchMatMul(x, y, transpose);
    const output = ops.scale(product, 1);
    const feed = ({ shape, values }) => ({ shape, values: Float32Array.from(values) });
    return [...new Session(tf, ops).read([[x, feed(a)], [y, feed(b)]], output)];
  });
  fs.writeFileSync(file, JSON.stringify(numbers));`;

onBfloat16('products round their factors to bfloat16 and sum in float32', async () => {
  let state = 1;
  const draw = () => {
    state = (state * 48271) % 2147483647;
    return Math.fround(state / 2147483647 - 0.4);
  };
  const filled = (shape: number[]) => ({
    shape,
    values: Array.from({ length: shape.reduce((product, size) => product * size, 1) }, draw),
  });
  const products = PRODUCTS.map(({ a, b, transpose }) => ({ a: filled(a), b: filled(b), transpose }));
  const file = path.join(root, 'products.json');
  fs.writeFileSync(file, JSON.stringify(products));
  const args = ['-e', SCRIPT, path.join(__dirname, '../..'), file];
  const { status } = await runCommand(process.execPath, args, { env: trainerEnvironment(1, 'bf16') });
  expect(status).toBe(0);
  const computed = JSON.parse(fs.readFileSync(file, 'utf8')) as number[][];
  for (const [i, { a, b, transpose }] of products.entries()) {
    const { sums, sizes } = product(a, b, transpose);
    const largest = Math.max(...computed[i].map((value, at) => Math.abs(value - sums[at]) / sizes[at]));
    // The rounding of float32 sums; factors that were not rounded would differ by some 1e-3.
    if (largest > 5e-7) throw new Error(`${JSON.stringify(PRODUCTS[i])}: ${largest} of the addends' sizes`);
  }
});

/** Matrices one after the other, as TensorFlow holds them. */
interface Matrices {
  shape: number[];
  values: number[];
}

/** Products of factors rounded to bfloat16, in float64, and the sums of their addends' sizes. */
function product(a: Matrices, b: Matrices, transpose: { a?: boolean; b?: boolean }) {
  const [rowsA, columnsA] = a.shape.slice(-2);
  const [rowsB, columnsB] = b.shape.slice(-2);
  const [M, K, N] = [transpose.a ? columnsA : rowsA, transpose.a ? rowsA : columnsA, transpose.b ? rowsB : columnsB];
  const [sums, sizes]: number[][] = [[], []];
  for (let at = 0; at < a.values.length / (rowsA * columnsA); at++) {
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let [sum, size] = [0, 0];
        for (let k = 0; k < K; k++) {
          const x = a.values[at * M * K + (transpose.a ? k * M + m : m * K + k)];
          const y = b.values[at * K * N + (transpose.b ? n * K + k : k * N + n)];
          sum += toBfloat16(x) * toBfloat16(y);
          size += Math.abs(x * y);
        }
        sums.push(sum);
        sizes.push(size);
      }
    }
  }
  return { sums, sizes };
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** Nearest bfloat16, the upper half of a float32; of two equally near ones the even one. */
function toBfloat16(value: number): number {
  float[0] = value;
  bits[0] = (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) & 0xffff0000;
  return float[0];
}

test('an engine refuses bf16 on a GPU', async () => {
  const what = await request({ precision: 'bf16', device: 'cuda' });
  await expect(trained(what)).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(/cuda/) });
});

(has ? test.skip : test)('an engine refuses bf16 on a processor without it', async () => {
  const what = await request({ precision: 'bf16' });
  await expect(trained(what)).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringMatching(/lacks it/),
  });
});
