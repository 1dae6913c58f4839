import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { DELTA_TENSORS } from '../delta/delta';
import type { EvaluateResult } from '../delta/inference-options';
import { writeWhole } from '../foundation/whole-file';
import { readMask, readMetrics } from '../job/files';
import { folderBytes } from '../job/out';
import { modelCache } from '../model/resolve';
import { writeDemoData } from './demo/grammar';
import { bytesText, grouped, metricText, percentText, printNow, secondsText, table } from './output';
import { hasKey, keyOf, storeKey } from './result-key';

/*
 * `npm run demo`: runs the main job with the commands that a user would type, and prints a table of
 * the results. Finished results of an earlier demo are reused.
 */

const OUT = 'demo-out';
const MODEL = 'all-MiniLM-L6-v2';
const SEED = 0;
const COLUMNS = ['--text-columns', 'sentence', '--label-column', 'label'];
const EPOCHS = ['--epochs', '3'];

const at = (...parts: string[]) => path.join(OUT, ...parts);

function main(): void {
  const started = performance.now();
  const data = writeDemoData(at('data'), SEED);
  say(`wrote ${data.train}, ${data.dev} and ${data.test}: minimal pairs of acceptable and unacceptable English`);
  const rows = ['--train', data.train, '--dev', data.dev, ...COLUMNS];
  const [heads, alone] = [at('heads'), at('task-head-alone')];

  hifi('run', '--model', MODEL, ...rows, ...EPOCHS, '--out', heads, '--resume');
  trainHeadAlone(path.join(heads, 'heads.json'), rows, [data.train, data.dev], alone);
  const heldOut = (out: string) => evaluation(path.join(out, 'delta'), data.test, path.join(out, 'held-out.json'));
  const scores = [heldOut(heads), heldOut(alone)];
  printNow(`\n${summary(heads, alone, scores).join('\n')}\n`);
  say(`\n${secondsText((performance.now() - started) / 1000)} in all; the model is in ${modelCache()}`);
}

/** Runs `hifi train` without any head; reuses a result of the same command, mask and rows. */
function trainHeadAlone(report: string, rows: readonly string[], files: readonly string[], out: string): void {
  const mask = at('task-head-alone-mask.json');
  hifi('select', '--heads', report, '--strategy', 'none', '--out', mask, '--overwrite');
  const words = ['train', '--model', MODEL, ...rows, ...EPOCHS, '--mask', mask, '--out', out];
  const key = keyOf(words, [mask, ...files]);
  const same = hasKey(out, key);
  if (same && fs.existsSync(path.join(out, 'metrics.json'))) return;
  // The key is stored before the training, so that an interrupted one can be resumed.
  fs.rmSync(path.join(out, 'metrics.json'), { force: true });
  storeKey(out, key);
  hifi(...words, same ? '--resume' : '--overwrite');
}

/** Comparison of the two trainings: tuned parameters, metrics per epoch, size. */
function summary(heads: string, alone: string, heldOut: EvaluateResult[]): string[] {
  const mask = readMask(path.join(heads, 'mask.json'));
  const runs = [heads, alone].map((out) => readMetrics(path.join(out, 'metrics.json')));
  const layers = [...new Set(mask.heads.map(({ layer }) => layer))];
  const cells = (label: string, cell: (run: number) => string) => [label, cell(0), cell(1)];
  const tuned = runs.map((run) => run.trainableParameters);
  const accuracy = (epoch: number) => (run: number) => metricText(runs[run].epochs[epoch]?.dev.accuracy ?? Number.NaN);
  return [
    'chosen heads (layers and heads count from 0)',
    ...layers.map((layer) => {
      const chosen = mask.heads.filter((head) => head.layer === layer).map(({ head }) => head);
      return `  layer ${layer}: ${chosen.join(', ')}`;
    }),
    '',
    ...table(
      [
        cells('', (run) => ['chosen heads', 'task head alone'][run]),
        cells('parameters tuned in the base', (run) => grouped(tuned[run])),
        cells('share of the base', (run) => percentText(tuned[run] / mask.totalParameters)),
        cells('parameters of the task head', (run) => grouped(runs[run].taskHeadParameters)),
        ...runs[0].epochs.map(({ epoch }, i) => cells(`dev accuracy, epoch ${epoch}`, accuracy(i))),
        cells('accuracy, held-out phenomenon', (run) => metricText(heldOut[run].metrics.accuracy)),
        cells('delta', (run) => bytesText(folderBytes(path.join([heads, alone][run], 'delta')))),
        cells('training, without evaluation', (run) =>
          secondsText(runs[run].epochs.reduce((sum, { seconds }) => sum + seconds, 0)),
        ),
        cells('peak memory', (run) => bytesText(runs[run].peakRssBytes)),
      ],
      [1, 2],
    ),
    '',
    `report      ${path.join(heads, 'report.html')}`,
    `delta       ${path.join(heads, 'delta')}`,
    `checkpoint  ${path.join(heads, 'checkpoint')}  (AutoModelForSequenceClassification.from_pretrained)`,
  ];
}

/** Runs `hifi evaluate`; reuses its stored result for the same delta and rows. */
function evaluation(delta: string, file: string, stored: string): EvaluateResult {
  const words = ['evaluate', '--model', MODEL, '--delta', delta, '--data', file, ...COLUMNS, '--json'];
  const key = keyOf(words, [path.join(delta, DELTA_TENSORS), file]);
  if (!fs.existsSync(stored) || !hasKey(stored, key)) {
    writeWhole(stored, hifi(...words));
    storeKey(stored, key);
  }
  return JSON.parse(fs.readFileSync(stored, 'utf8'));
}

/** Runs one command as a user would, and prints it. */
function hifi(...words: string[]): string {
  say(`\n$ hifi ${words.join(' ')}`);
  const command = [require.resolve('./hifi'), ...words];
  const { status, stdout } = spawnSync(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) process.exit(status ?? 4);
  return stdout.toString();
}

const say = (line: string) => process.stderr.write(`${line}\n`);

main();
