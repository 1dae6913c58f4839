import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { trainerEnvironment } from '../infra/tensorflow';
import { readModelConfig } from '../model/config';
import { lineChart } from '../report/draw/line-chart';
import { svgFile } from '../report/draw/theme';
import { Candidate, spreadOf } from './candidate';
import { writeRandomModel } from './random-model';
import { watched } from './watched';

const COMMAND = path.join(__dirname, '../dist/cli/hifi.js');
const HOOK = path.join(__dirname, '../test/support/typescript-hook.cjs');
const CHILD = path.join(__dirname, 'training-child.ts');

/** Steps before the measured ones, and the measured ones. */
const [WARMUP, STEPS] = [2, 5];

/** Cost at one size. */
interface Point {
  x: number;
  seconds: number;
  megabytes: number;
}

/** Cost of some work as one of its sizes grows. */
interface Curve {
  name: string;
  /** Size that grows. */
  size: string;
  points: Point[];
}

/** Training step: rows by tokens, k tuned heads in each layer. */
interface Step {
  model: string;
  rows: number;
  tokens: number;
  k: number;
  threads?: number;
}

/**
 * Measures how time and memory grow, prints a row per curve with the exponent of its time, and
 * draws the curves.
 *
 * @param sequences largest sample of an analysis
 * @param out folder for curves.json and a picture per curve
 */
export async function benchCurves(model: string, sequences: number, out: string): Promise<void> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-curves-'));
  const { heads } = readModelConfig(model);
  const random = (kind: 'bert' | 'modernbert' | 'qwen3', layers: number, hiddenSize: number) => ({
    model: writeRandomModel(root, kind, { layers, hiddenSize }),
  });
  const samples = [100, 300, 1000, 3000, 10_000, 30_000, 100_000].filter((count) => count <= sequences);
  const base: Step = { model, rows: 16, tokens: 64, k: 3 };
  const step = (name: string, size: string, values: readonly number[], at: (x: number) => Partial<Step>) =>
    curveOf(name, size, values, (x) => stepAt({ ...base, ...at(x) }));
  try {
    const curves = [
      await curveOf('analysis', 'sequences', samples, (count) => analysisOf(model, count, root)),
      await step('step of 16 rows', 'tokens', [16, 32, 64, 128, 256, 512], (tokens) => ({ tokens })),
      await step('step of 64 tokens', 'rows', [2, 4, 8, 16, 32, 64], (rows) => ({ rows })),
      await step('step of one row, ModernBERT', 'tokens', [128, 256, 512, 1024, 2048, 4096, 8192], (tokens) => ({
        ...random('modernbert', 6, 256),
        ...{ rows: 1, tokens },
      })),
      await step('step, d = 256', 'layers', [2, 4, 8, 16, 24], (layers) => random('bert', layers, 256)),
      await step('step, 6 layers', 'd', [256, 384, 512, 768, 1024], (d) => random('bert', 6, d)),
      await step('step, d = 1,024', 'layers', [6, 12, 24], (layers) => random('bert', layers, 1024)),
      await step('step, Qwen3 with d = 1,024', 'layers', [7, 14, 28], (layers) => random('qwen3', layers, 1024)),
      await step('step', 'tuned heads per layer', [1, 2, 3, 6, heads], (k) => ({ k })),
      await step('step', 'threads', threadCounts(), (threads) => ({ threads })),
    ];
    fs.mkdirSync(out, { recursive: true });
    fs.writeFileSync(path.join(out, 'curves.json'), `${JSON.stringify(curves, null, 1)}\n`);
    process.stdout.write('| work | grows with | seconds | exponent | MB |\n|---|---|---|---|---|\n');
    for (const { name, size, points } of curves) {
      const [least, most] = [points[0], points[points.length - 1]];
      const ends = (of: 'seconds' | 'megabytes', digits: number) =>
        `${least[of].toFixed(digits)} … ${most[of].toFixed(digits)}`;
      const sizes = `${size}, ${least.x.toLocaleString('en-US')} … ${most.x.toLocaleString('en-US')}`;
      process.stdout.write(
        `| ${name} | ${sizes} | ${ends('seconds', 3)} | ${exponentOf(points).toFixed(2)} | ${ends('megabytes', 0)} |\n`,
      );
      const svg = lineChart({
        title: `Seconds and memory of ${name} by ${size}`,
        x: size,
        steps: points.map(({ x }) => String(x)),
        logarithmic: true,
        lines: [
          { name: 'seconds', values: points.map(({ seconds }) => seconds) },
          { name: 'GB', values: points.map(({ megabytes }) => megabytes / 1000) },
        ],
      });
      fs.writeFileSync(path.join(out, `${`${name} ${size}`.replace(/[^a-z0-9]+/gi, '-')}.svg`), svgFile(svg));
    }
  } finally {
    fs.rmSync(root, { recursive: true });
  }
}

/** Exponent p of time ∝ sizeᵖ: the slope of the least squares through the logarithms. */
function exponentOf(points: readonly Pick<Point, 'x' | 'seconds'>[]): number {
  const logs = points.map(({ x, seconds }) => [Math.log(x), Math.log(seconds)]);
  const mean = (at: number) => logs.reduce((sum, each) => sum + each[at], 0) / logs.length;
  const [x, y] = [mean(0), mean(1)];
  const covariance = logs.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0);
  return covariance / logs.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
}

async function curveOf(
  name: string,
  size: string,
  values: readonly number[],
  cost: (x: number) => Promise<Omit<Point, 'x'>>,
): Promise<Curve> {
  const points: Point[] = [];
  for (const x of values) points.push({ x, ...(await cost(x)) });
  return { name, size, points };
}

/** Analysis of sentences of some dozen tokens, without loading the model. */
async function analysisOf(model: string, count: number, root: string): Promise<Omit<Point, 'x'>> {
  const rows = path.join(root, 'rows.txt');
  if (!fs.existsSync(rows)) fs.writeFileSync(rows, sentences(100_000));
  const folder = path.join(root, `analysis-${count}`);
  const args = ['analyze', '--model', model, '--data', rows, '--samples', String(count), '--out', folder];
  const { peakBytes } = await watched(process.execPath, [COMMAND, ...args]);
  const { elapsedSeconds } = JSON.parse(fs.readFileSync(path.join(folder, 'heads.json'), 'utf8'));
  return { seconds: elapsedSeconds, megabytes: peakBytes / 1e6 };
}

const WORDS = ['the', 'result', 'of', 'this', 'work', 'is', 'not', 'what', 'they', 'had', 'in', 'mind', 'when', 'it'];

const sentences = (count: number) =>
  Array.from({ length: count }, (_, row) =>
    Array.from({ length: 4 + (row % 11) }, (_, i) => WORDS[(row * 31 + i * i) % WORDS.length]).join(' '),
  ).join('\n');

/** Median of some steps in a process of their own, and its peak memory. */
async function stepAt({ model, rows, tokens, k, threads }: Step): Promise<Omit<Point, 'x'>> {
  const args = ['--require', HOOK, CHILD, model, String(k), '0'];
  const child = new Candidate('step', process.execPath, args, trainerEnvironment(threads));
  await child.ready();
  const seconds: number[] = [];
  for (let step = -WARMUP; step < STEPS; step++) {
    const taken = Number(await child.request(`step ${rows} ${tokens}`));
    if (step >= 0) seconds.push(taken);
  }
  const megabytes = Number(await child.request('peak')) / 1e6;
  child.quit();
  return { seconds: spreadOf(seconds).median, megabytes };
}

/** 1, 2, 4, … up to the machine's cores. */
const threadCounts = () =>
  Array.from({ length: 1 + Math.floor(Math.log2(os.cpus().length)) }, (_, power) => 2 ** power);
