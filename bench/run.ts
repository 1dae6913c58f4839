import { parseArgs } from 'node:util';
import { PRECISIONS, type Precision } from '../foundation/precision';
import { resolveModel } from '../model/resolve';
import { accept, worseThanAccepted } from './accepted';
import { benchAnalysis } from './analysis';
import { ANSWERS, benchAnswers } from './answers';
import { benchCurves } from './curves';
import { benchJobs } from './jobs';
import { benchServices } from './services';
import { benchShards } from './shards';
import { benchStart } from './start';
import { benchSteps, STEP_CANDIDATES, STEP_SHAPES } from './steps';
import { benchStore } from './store';
import { printedRatios, TABLE_HEAD } from './table';

/*
 *   npm run bench -- --python PYTHON --cola FOLDER
 *     [--model M] [--rounds 10] [--precision float32,bf16]
 *     [--only steps,analysis,jobs,start,services,store,shards,answers,curves]
 *     [--shapes 16x128,32x16] [--epochs 3] [--rows 8551] [--candidates hifi,lora]
 *     [--sequences 10000] [--answers latency,curve,throughput,many,training] [--out FOLDER]
 *     [--check] [--accept]
 *
 * Measures hifi and PyTorch in turn in one run, with all cores each. PYTHON has the packages of
 * test/fixtures/requirements.txt; FOLDER has CoLA's train.tsv and dev.tsv. `jobs` takes some four
 * minutes per round and has a third of the rounds. Needs the built command (npm run build) and an
 * idle machine. `--only store` needs neither PYTHON nor FOLDER,
 * `--only steps`, `--only shards` and `--only answers` no FOLDER; `answers` needs grpcio and
 * onnxruntime too. `--shapes` lists rows by tokens of a step,
 * `--sequences` is the sample of `shards`, and the largest of `curves`, which runs alone, without
 * peers, and writes its pictures to `--out`. `--epochs` and `--rows` (the first of
 * train.tsv) are of `jobs` alone. `--candidates` names those of `steps`; `jobs` has some of them.
 * `--precision` lists the precisions of both (default: float32); PyTorch's bf16 is torch.autocast.
 * `--check` fails if a ratio is worse than that of accepted.json, `--accept` stores the ratios
 * there.
 */

const PARTS = ['steps', 'analysis', 'jobs', 'start', 'services', 'store', 'shards', 'answers', 'curves'];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      python: { type: 'string', default: 'python3' },
      model: { type: 'string', default: 'all-MiniLM-L6-v2' },
      cola: { type: 'string' },
      rounds: { type: 'string', default: '10' },
      only: { type: 'string', default: PARTS.filter((part) => part !== 'curves').join() },
      shapes: { type: 'string', default: STEP_SHAPES },
      epochs: { type: 'string', default: '3' },
      rows: { type: 'string', default: '8551' },
      candidates: { type: 'string', default: STEP_CANDIDATES.join() },
      sequences: { type: 'string', default: '10000' },
      answers: { type: 'string', default: ANSWERS.join() },
      out: { type: 'string' },
      check: { type: 'boolean', default: false },
      accept: { type: 'boolean', default: false },
      precision: { type: 'string', default: PRECISIONS[0] },
    },
  });
  const { python, cola } = values;
  const parts = values.only.split(',');
  const unknown = parts.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new Error(`--only is ${unknown}; it must name parts of ${PARTS.join(', ')}`);
  const candidates = values.candidates.split(',');
  const other = candidates.find((name) => !STEP_CANDIDATES.includes(name));
  if (other !== undefined)
    throw new Error(`--candidates is ${other}; it must name some of ${STEP_CANDIDATES.join(', ')}`);
  const precisions = values.precision.split(',') as Precision[];
  const strange = precisions.find((name) => !PRECISIONS.includes(name));
  if (strange !== undefined)
    throw new Error(`--precision is ${strange}; it must name some of ${PRECISIONS.join(', ')}`);
  const needsCola = parts.some((part) => !['steps', 'store', 'shards', 'answers', 'curves'].includes(part));
  if (needsCola && cola === undefined) throw new Error('--cola is missing: a folder with train.tsv and dev.tsv');
  if (parts.includes('store')) {
    process.stdout.write(TABLE_HEAD);
    await benchStore();
    if (parts.length === 1) return;
  }
  const model = await resolveModel(values.model);
  if (parts.includes('curves')) {
    if (values.out === undefined || parts.length > 1) throw new Error('curves run alone, and need --out FOLDER');
    await benchCurves(model, Number(values.sequences), values.out);
    return;
  }
  const rounds = Number(values.rounds);
  process.stdout.write(TABLE_HEAD);
  if (parts.includes('steps')) await benchSteps(model, python, rounds, values.shapes, candidates, precisions);
  if (parts.includes('shards')) await benchShards(model, Number(values.sequences), rounds);
  if (parts.includes('answers')) await benchAnswers(model, python, rounds, values.answers.split(','));
  if (cola !== undefined) {
    if (parts.includes('analysis')) await benchAnalysis(model, python, cola, rounds);
    if (parts.includes('start')) await benchStart(model, cola, rounds);
    if (parts.includes('services')) await benchServices(model, cola, rounds);
    const size = { epochs: Number(values.epochs), rows: Number(values.rows), candidates, precisions };
    if (parts.includes('jobs')) await benchJobs(model, python, cola, Math.max(1, Math.round(rounds / 3)), size);
  }
  compare(values);
}

/** Compares the printed ratios with the accepted ones, or accepts them. */
function compare({ check, accept: store }: { check: boolean; accept: boolean }): void {
  const worse = check ? worseThanAccepted(printedRatios) : [];
  if (worse.length > 0) throw new Error(worse.join('\n'));
  if (store) accept(printedRatios);
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1); // candidates end with their input
});
