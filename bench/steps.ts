import * as path from 'node:path';
import type { Precision } from '../foundation/precision';
import { trainerEnvironment } from '../infra/tensorflow';
import { readModelConfig } from '../model/config';
import { Candidate, inTurn, type Spread, spreadOf } from './candidate';
import { operationsOf, peakOfProducts } from './peak';
import { inPrecision, printRow } from './table';

/** Rows by tokens of each measured step. */
export const STEP_SHAPES = '16x128,32x16';
/** Tuned heads of each layer. */
const TUNED = 3;
const HIFI = `hifi, ${TUNED} heads in all layers`;
const WARMUP = 3;
/** Steps after which a process has reached its peak memory. */
const STEPS_TO_PEAK = 6;

/** Candidates by the names of `--candidates`, in the order of the table. */
export const STEP_CANDIDATES = ['hifi', 'hifi-mid-top', 'hifi-lora', 'lora', 'lora-top', 'shira', 'masked', 'full'];
/** Peers that are written for BERT's modules. */
const BERT_ALONE: readonly string[] = ['shira', 'masked'];

/** Training steps of hifi and of PyTorch. */
function candidates(model: string, python: string, names: readonly string[], precision: Precision): Candidate[] {
  const { layers, architecture } = readModelConfig(model);
  const hook = path.join(__dirname, '../test/support/typescript-hook.cjs');
  const child = path.join(__dirname, 'training-child.ts');
  const peers = path.join(__dirname, 'peer_lora.py');
  const ours = (name: string, ...tuned: string[]) =>
    new Candidate(
      inPrecision(name, precision),
      process.execPath,
      ['--require', hook, child, model, ...tuned],
      trainerEnvironment(undefined, precision),
    );
  const peer = (name: string, mode: string) =>
    new Candidate(inPrecision(name, precision), python, [
      peers,
      ...['--model', model, '--mode', mode, '--precision', precision, '--serve'],
    ]);
  const all: Record<string, () => Candidate> = {
    hifi: () => ours(HIFI, String(TUNED), '0'),
    'hifi-mid-top': () => ours('hifi-mid-top, cached prefix', String(TUNED), String(layers >> 1)),
    'hifi-lora': () => ours('LoRA r = 8 in hifi', 'lora'),
    lora: () => peer('PEFT LoRA r = 8', 'lora'),
    'lora-top': () => peer('PEFT LoRA r = 8, upper half', 'lora-top'),
    shira: () => peer('PEFT SHiRA, the same rows', 'shira'),
    masked: () => peer('full-size gradients × mask', 'masked'),
    full: () => peer('full fine-tuning', 'full'),
  };
  const measured = names.filter((name) => architecture === 'bert' || !BERT_ALONE.includes(name));
  return measured.flatMap((name) => all[name]?.() ?? []);
}

/** Measures a training step on full rows of random tokens, and the memory of its process. */
export async function benchSteps(
  model: string,
  python: string,
  rounds: number,
  shapes: string,
  names: readonly string[],
  precisions: readonly Precision[],
): Promise<void> {
  for (const shape of shapes.split(',').map((each) => each.replace('x', ' '))) {
    const all = precisions.flatMap((precision) => candidates(model, python, names, precision));
    await Promise.all(all.map((candidate) => candidate.ready()));
    const step = async (one: Candidate) => Number(await one.request(`step ${shape}`));
    const spreads = await inTurn(all, step, Math.max(rounds, STEPS_TO_PEAK), WARMUP);
    const peaks = await Promise.all(all.map(async (one) => spreadOf([Number(await one.request('peak')) / 1e6])));
    const size = shape.replace(' ', ' × ');
    for (const [i, { name }] of all.entries())
      printRow(`training step, ${size} tokens, s`, name, spreads[i], spreads[0]);
    for (const [i, { name }] of all.entries()) {
      printRow(`peak memory of these steps, ${size}, MB`, name, peaks[i], peaks[0], 0);
    }
    for (const candidate of all) candidate.quit();
    printShare(model, python, shape, all[0].name, spreads[0]);
  }
}

/** Prints which share of the peak of matrix products hifi's step of a BERT has. */
function printShare(model: string, python: string, shape: string, name: string, seconds: Spread): void {
  const config = readModelConfig(model);
  if (config.architecture !== 'bert' || name !== HIFI) return;
  const [rows, tokens] = shape.split(' ').map(Number);
  const [operations, peak] = [operationsOf(config, TUNED, [rows, tokens]), peakOfProducts(python)];
  const share = (taken: number) => operations / (taken * peak);
  const { least, median, most } = seconds;
  const shares = { least: share(most), median: share(median), most: share(least) };
  printRow(`share of the peak of matrix products, ${rows} × ${tokens}`, name, shares, shares, 2);
}
