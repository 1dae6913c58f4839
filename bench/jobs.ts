import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { TrainMetrics } from '../delta/training-options';
import type { Precision } from '../foundation/precision';
import { spreadOf } from './candidate';
import { inPrecision, printRow } from './table';
import { watched } from './watched';

const COMMAND = path.join(__dirname, '../dist/cli/hifi.js');

/** Cost of a whole job. */
interface Job {
  seconds: number;
  /** Training seconds of each epoch. */
  epochs: number[];
  peakBytes: number;
  /** Matthews correlation on the dev rows after the best epoch. */
  matthews: number;
}

/** Size of a job: epochs, first rows of CoLA's training set; the candidates, their precisions. */
export interface JobSize {
  epochs: number;
  rows: number;
  candidates: readonly string[];
  precisions: readonly Precision[];
}

/**
 * Measures whole jobs on CoLA: all of hifi's work against PEFT's training and evaluation, with the
 * same rows, epochs, batch size and learning rates.
 */
export async function benchJobs(
  model: string,
  python: string,
  cola: string,
  rounds: number,
  { epochs, rows: rowCount, candidates: names, precisions }: JobSize,
): Promise<void> {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-'));
  const [train, dev] = [path.join(scratch, 'train.tsv'), path.join(cola, 'dev.tsv')];
  const lines = fs.readFileSync(path.join(cola, 'train.tsv'), 'utf8').trimEnd().split('\n').slice(0, rowCount);
  fs.writeFileSync(train, lines.map((line) => `${line}\n`).join(''));
  const hifi = (strategy: string, precision: Precision) => async (): Promise<Job> => {
    const out = fs.mkdtempSync(path.join(scratch, 'out-'));
    const data = ['--task', 'cola', '--train', train, '--dev', dev];
    const options = ['--strategy', strategy, '--epochs', String(epochs), '--precision', precision];
    const args = ['run', '--model', model, ...data, ...options, '--out', out];
    try {
      const { seconds, peakBytes } = await watched(process.execPath, [COMMAND, ...args]);
      const metrics = JSON.parse(fs.readFileSync(path.join(out, 'metrics.json'), 'utf8')) as TrainMetrics;
      return { seconds, peakBytes, epochs: metrics.epochs.map((epoch) => epoch.seconds), matthews: metrics.best.value };
    } finally {
      fs.rmSync(out, { recursive: true });
    }
  };
  const peer = (mode: string, precision: Precision) => async (): Promise<Job> => {
    const script = path.join(__dirname, 'peer_job.py');
    const data = ['--model', model, '--train', train, '--dev', dev];
    const { stdout, seconds, peakBytes } = await watched(python, [
      script,
      ...data,
      ...['--mode', mode, '--epochs', String(epochs), '--precision', precision],
    ]);
    const { epochSeconds, matthews } = JSON.parse(stdout) as { epochSeconds: number[]; matthews: number[] };
    return { seconds, peakBytes, epochs: epochSeconds, matthews: Math.max(...matthews) };
  };
  const known = (precision: Precision): Record<string, [name: string, run: () => Promise<Job>]> => ({
    hifi: [inPrecision('hifi', precision), hifi('hifi', precision)],
    'hifi-mid-top': [inPrecision('hifi-mid-top', precision), hifi('hifi-mid-top', precision)],
    lora: [inPrecision('PEFT LoRA r = 8', precision), peer('lora', precision)],
    'lora-top': [inPrecision('PEFT LoRA r = 8, upper half', precision), peer('lora-top', precision)],
  });
  const candidates = precisions.flatMap((precision) => {
    const byName = known(precision);
    return names.filter((name) => name in byName).map((name) => byName[name]);
  });
  const jobs: Job[][] = candidates.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, [, run]] of candidates.entries()) jobs[i].push(await run());
  }
  fs.rmSync(scratch, { recursive: true });
  const rows = (work: string, figures: (job: Job) => number[], digits: number) => {
    const spreads = jobs.map((each) => spreadOf(each.flatMap(figures)));
    for (const [i, [name]] of candidates.entries()) printRow(work, name, spreads[i], spreads[0], digits);
  };
  rows('later epoch on CoLA, s', ({ epochs }) => epochs.slice(1), 2);
  rows(`whole job on ${lines.length} rows of CoLA, ${epochs} epochs, s`, ({ seconds }) => [seconds], 1);
  rows('peak memory of the whole job, all processes, MB', ({ peakBytes }) => [peakBytes / 1e6], 0);
  rows('Matthews correlation on the dev rows, best epoch', ({ matthews }) => [matthews], 4);
}
