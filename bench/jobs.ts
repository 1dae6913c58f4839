import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { TrainMetrics } from '../delta/training-options';
import { spreadOf } from './candidate';
import { printRow } from './table';
import { watched } from './watched';

const COMMAND = path.join(__dirname, '../dist/cli/hifi.js');
const EPOCHS = 3;

/** Cost of a whole job. */
interface Job {
  seconds: number;
  /** Training seconds of each epoch. */
  epochs: number[];
  peakBytes: number;
}

/** Measures whole jobs on CoLA: all of hifi's work against PEFT's training and evaluation. */
export async function benchJobs(model: string, python: string, cola: string, rounds: number): Promise<void> {
  const [train, dev] = ['train.tsv', 'dev.tsv'].map((name) => path.join(cola, name));
  const hifi = (strategy: string) => async (): Promise<Job> => {
    const out = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-'));
    const data = ['--task', 'cola', '--train', train, '--dev', dev];
    const args = ['run', '--model', model, ...data, '--strategy', strategy, '--epochs', String(EPOCHS), '--out', out];
    try {
      const { seconds, peakBytes } = await watched(process.execPath, [COMMAND, ...args]);
      const metrics = JSON.parse(fs.readFileSync(path.join(out, 'metrics.json'), 'utf8')) as TrainMetrics;
      return { seconds, peakBytes, epochs: metrics.epochs.map((epoch) => epoch.seconds) };
    } finally {
      fs.rmSync(out, { recursive: true });
    }
  };
  const peer = (mode: string) => async (): Promise<Job> => {
    const script = path.join(__dirname, 'peer_job.py');
    const data = ['--model', model, '--train', train, '--dev', dev];
    const { stdout, seconds, peakBytes } = await watched(python, [
      script,
      ...data,
      '--mode',
      mode,
      '--epochs',
      String(EPOCHS),
    ]);
    return { seconds, peakBytes, epochs: JSON.parse(stdout).epochSeconds };
  };
  const candidates: [name: string, run: () => Promise<Job>][] = [
    ['hifi', hifi('hifi')],
    ['hifi-mid-top', hifi('hifi-mid-top')],
    ['PEFT LoRA r = 8', peer('lora')],
    ['PEFT LoRA r = 8, upper half', peer('lora-top')],
  ];
  const jobs: Job[][] = candidates.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, [, run]] of candidates.entries()) jobs[i].push(await run());
  }
  const rows = (work: string, figures: (job: Job) => number[], digits: number) => {
    const spreads = jobs.map((each) => spreadOf(each.flatMap(figures)));
    for (const [i, [name]] of candidates.entries()) printRow(work, name, spreads[i], spreads[0], digits);
  };
  rows('later epoch on CoLA, s', ({ epochs }) => epochs.slice(1), 2);
  rows(`whole job on CoLA, ${EPOCHS} epochs, s`, ({ seconds }) => [seconds], 1);
  rows('peak memory of the whole job, all processes, MB', ({ peakBytes }) => [peakBytes / 1e6], 0);
}
