import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { analyze } from '../analyzer/analysis-engine';
import type { DataSource } from '../data/dataset';
import { ANALYSIS_DEFAULTS } from '../heads/analysis-options';
import { Candidate, inTurn, spreadOf } from './candidate';
import { printRow } from './table';
import { watched } from './watched';

const COMMAND = path.join(__dirname, '../dist/cli/hifi.js');

/** Measures the analysis without loading against PyTorch, NumPy and NetworkX, and its memory. */
export async function benchAnalysis(model: string, python: string, cola: string, rounds: number): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-'));
  try {
    const long = longTexts(cola, folder);
    const train = path.join(cola, 'train.tsv');
    await beside('analysis, 300 CoLA sentences, s', model, python, { path: train, task: 'cola' }, rounds);
    await beside('analysis, 300 × 128 tokens, s', model, python, { path: long, textColumns: ['text'] }, rounds);
    await memory(model, long, folder);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

async function beside(work: string, model: string, python: string, data: DataSource, rounds: number): Promise<void> {
  const source = data.task ? ['--task', data.task] : ['--text-columns', data.textColumns!.join()];
  const peer = (name: string, spectrum: string) =>
    new Candidate(name, python, [
      path.join(__dirname, 'peer_analysis.py'),
      ...['--model', model, '--data', data.path, ...source, '--spectrum', spectrum, '--serve'],
    ]);
  const peers = [
    peer('PyTorch, NumPy SVD, NetworkX', 'svd'),
    peer('the same with eigenvalues of the smaller Gram matrix, like hifi', 'gram'),
  ];
  await Promise.all(peers.map((each) => each.ready()));
  const hifi = async () => {
    const run = analyze({ model, data, options: ANALYSIS_DEFAULTS });
    for (;;) {
      const next = await run.next();
      if (next.done) return next.value.elapsedSeconds;
    }
  };
  const all = [undefined, ...peers];
  const work1 = async (one?: Candidate) => (one ? JSON.parse(await one.request('run')).seconds : hifi());
  const spreads = await inTurn(all, work1, rounds, 1);
  for (const [i, one] of all.entries()) printRow(work, one?.name ?? 'hifi', spreads[i], spreads[0]);
  for (const each of peers) each.quit();
}

/** Writes 10,000 texts of more than 128 tokens each: joined sentences of CoLA. */
function longTexts(cola: string, folder: string): string {
  const sentences = fs
    .readFileSync(path.join(cola, 'train.tsv'), 'utf8')
    .split('\n')
    .flatMap((line) => line.split('\t')[3] ?? []);
  const text = (row: number) =>
    Array.from({ length: 24 }, (_, i) => sentences[(row + 7 * i) % sentences.length]).join(' ');
  const file = path.join(folder, 'long.tsv');
  fs.writeFileSync(file, ['text', ...Array.from({ length: 10_000 }, (_, row) => text(row))].join('\n'));
  return file;
}

async function memory(model: string, data: string, folder: string): Promise<void> {
  const peaks = [];
  for (const samples of ['100', '10000']) {
    const out = path.join(folder, samples);
    const args = [
      'analyze',
      '--model',
      model,
      '--data',
      data,
      '--text-columns',
      'text',
      '--samples',
      samples,
      '--out',
      out,
    ];
    const { peakBytes } = await watched(process.execPath, [COMMAND, ...args]);
    peaks.push(spreadOf([peakBytes / 1e6]));
    printRow(`peak memory of the analysis, ${samples} × 128 tokens, MB`, 'hifi', peaks.at(-1)!, peaks[0], 0);
  }
}
