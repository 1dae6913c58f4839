import * as fs from 'node:fs';
import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { readComparedData } from '../compare/data';
import { splitRows } from '../compare/split';
import { type DataSource, selectRows } from '../data/dataset';
import { jsonLines, jsonLinesSource } from '../data/json-lines';
import { randomStream } from '../data/random';
import { drawSample } from '../data/split';
import type { TaskName } from '../data/tasks';
import { metricsOf } from '../delta/problems';
import { PRECISIONS, type Precision } from '../foundation/precision';
import { analyze, HifiError, predict, type RateChoice, resolveModel, select, type TrainOptions, train } from '../index';

/*
 *   node --require ./test/support/typescript-hook.cjs bench/learning-rates.ts --name SST-2
 *     --train FILE (--task sst2 | --text-columns a,b --label-column y [--regression])
 *     --out FOLDER [--model M] [--rows 1000] [--seeds 0,1,2] [--rates 1.25e-4,…,8e-3]
 *     [--epochs 3] [--threads 1] [--precision float32,bf16]
 *
 * Trains with each rate, precision and seed, and appends one line per training to
 * FOLDER/runs.jsonl: the metric on up to 1,000 test rows and its standard error over these rows.
 * Lines that are there are not repeated.
 */

const RATES = '1.25e-4,2.5e-4,5e-4,1e-3,2e-3,4e-3,8e-3';
const DEV_ROWS = 300;
const TEST_ROWS = 1000;
const RESAMPLES = 1000;

/** One training and its test. */
interface Line {
  model: string;
  name: string;
  seed: number;
  /** Learning rate as requested. */
  lr: number | 'auto';
  precision: Precision;
  metric: string;
  dev: number;
  /** Metric on the test rows; null if the training diverged. */
  test: number | null;
  stderr: number | null;
  epochs: unknown;
  /** Predicted classes or values of the test rows. */
  predicted: number[];
  seconds: number;
  /** Choice of `auto`. */
  rate?: RateChoice;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      name: { type: 'string', default: 'rows' },
      train: { type: 'string' },
      task: { type: 'string' },
      'text-columns': { type: 'string' },
      'label-column': { type: 'string' },
      regression: { type: 'boolean', default: false },
      out: { type: 'string' },
      model: { type: 'string', default: 'all-MiniLM-L6-v2' },
      rows: { type: 'string', default: '1000' },
      seeds: { type: 'string', default: '0,1,2' },
      rates: { type: 'string', default: RATES },
      epochs: { type: 'string', default: '3' },
      threads: { type: 'string', default: '1' },
      precision: { type: 'string', default: PRECISIONS[0] },
    },
  });
  const { name, out } = values;
  if (values.train === undefined || out === undefined) throw new Error('--train and --out are missing');
  const model = await resolveModel(values.model);
  const threads = Number(values.threads);
  const source: DataSource = {
    path: values.train,
    ...(values.task !== undefined
      ? { task: values.task as TaskName }
      : { textColumns: values['text-columns']?.split(','), labelColumn: values['label-column'] }),
    ...(values.regression && { problem: 'regression' }),
  };
  const { pool, labels, targets } = await readComparedData(source, []);
  const { compute, best } = metricsOf(pool.task, labels);
  fs.mkdirSync(out, { recursive: true });
  const file = path.join(out, 'runs.jsonl');
  const lines: Line[] = fs.existsSync(file)
    ? fs
        .readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : [];
  const classes = labels.problem === 'regression' ? new Float32Array(targets.length) : (targets as ArrayLike<number>);
  const precisions = values.precision.split(',') as Precision[];
  const settings = values.rates.split(',').flatMap((rate) => precisions.map((precision) => [rate, precision] as const));
  for (const seed of values.seeds.split(',').map(Number)) {
    const split = splitRows({ of: classes }, { rows: Number(values.rows) }, { seed, searchSeed: seed }, DEV_ROWS);
    const test = drawSample(split.test.length, TEST_ROWS, seed).map((at) => split.test[at]);
    const folder = path.join(out, path.basename(model), name, String(seed));
    fs.mkdirSync(folder, { recursive: true });
    const rows = (part: string, chosen: Int32Array) => {
      const at = path.join(folder, `${part}.jsonl`);
      const dataset = selectRows(pool, chosen);
      fs.writeFileSync(at, jsonLines([dataset]));
      return jsonLinesSource(at, dataset);
    };
    const data = { train: rows('train', split.train), dev: rows('dev', split.dev), test: rows('test', test) };
    const wanted = Array.from(test, (row) => targets[row]);
    let mask: ReturnType<typeof select> | undefined;
    for (const [rate, precision] of settings) {
      const lr = rate === 'auto' ? 'auto' : Number(rate);
      const done = (line: Line) =>
        line.model === path.basename(model) &&
        line.name === name &&
        line.seed === seed &&
        line.lr === lr &&
        line.precision === precision;
      if (lines.some(done)) continue;
      mask ??= select(await analyze({ model, data: data.train, options: { threads, seed } }), { seed });
      const delta = path.join(folder, `${rate}-${precision}`);
      const options = { epochs: Number(values.epochs), threads, seed, lr, precision } satisfies Partial<TrainOptions>;
      const started = performance.now();
      const line: Line = {
        model: path.basename(model),
        name,
        seed,
        lr,
        precision,
        metric: best,
        dev: 0,
        test: null,
        stderr: null,
        epochs: null,
        predicted: [],
        seconds: 0,
      };
      try {
        const metrics = await train({ model, ...data, mask, options, out: delta, overwrite: true });
        line.seconds = (performance.now() - started) / 1000;
        line.dev = metrics.best.value;
        line.epochs = metrics.epochs;
        line.rate = metrics.learningRate;
        const answers = await predict({
          model,
          delta: path.join(delta, 'delta'),
          data: data.test,
          options: { threads, precision },
        });
        line.predicted = answers.map(({ label }) =>
          typeof label === 'number' ? Number(label.toFixed(4)) : labels.names.indexOf(String(label)),
        );
        const metric = (at: ArrayLike<number>) =>
          compute(
            Array.from(at, (i) => line.predicted[i]),
            Array.from(at, (i) => wanted[i]),
          )[best];
        line.test = metric(wanted.map((_, i) => i));
        line.stderr = resampledError(metric, wanted.length);
      } catch (error) {
        if (HifiError.from(error).code !== 'DIVERGED') throw error;
      }
      fs.appendFileSync(file, `${JSON.stringify(line)}\n`);
      fs.rmSync(delta, { recursive: true, force: true });
      const { predicted: _, epochs: __, ...shown } = line;
      process.stdout.write(`${JSON.stringify(shown)}\n`);
    }
  }
}

/** Standard deviation of a metric over resampled rows (bootstrap). */
function resampledError(metric: (rows: ArrayLike<number>) => number, rows: number): number {
  const { int } = randomStream(0, 'resample');
  const values = Array.from({ length: RESAMPLES }, () => metric(Array.from({ length: rows }, () => int(rows))));
  const mean = values.reduce((sum, value) => sum + value, 0) / RESAMPLES;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (RESAMPLES - 1));
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
