import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { analyze } from '../analyzer/engine';
import { ANALYSIS_DEFAULTS } from '../analyzer/options';
import { trainerEnvironment } from '../infra/tensorflow';
import { resolveModel } from '../model/resolve';
import { Contestant, inTurn, type Spread } from './contestant';

/*
 *   npm run bench -- --python PYTHON [--model M] [--cola train.tsv] [--rounds 10]
 *
 * hifi beside PyTorch (see peer_lora.py, peer_analysis.py), in turn, in one run, all cores each. PYTHON has the packages of
 * test/fixtures/requirements.txt. Prints a table: median (least … most) seconds and the ratio of the medians.
 */

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    model: { type: 'string', default: 'all-MiniLM-L6-v2' },
    cola: { type: 'string' },
    rounds: { type: 'string', default: '10' },
  },
});

const SHAPES = ['16 128', '32 16'];
const WARMUP = 3;

async function main(): Promise<void> {
  const model = await resolveModel(flags.model);
  const rounds = Number(flags.rounds);
  process.stdout.write('| work | contestant | seconds: median (least … most) | PyTorch / hifi |\n|---|---|---|---|\n');
  await trainingSteps(model, rounds);
  if (flags.cola) await analysis(model, flags.cola, Math.min(rounds, 5));
}

async function trainingSteps(model: string, rounds: number): Promise<void> {
  const hook = path.join(__dirname, '../test/support/typescript-hook.cjs');
  const ours = (name: string, firstLayer: number) =>
    new Contestant(
      name,
      process.execPath,
      ['--require', hook, path.join(__dirname, 'training-child.ts'), model, '3', String(firstLayer)],
      trainerEnvironment(),
    );
  const peer = (name: string, mode: string) =>
    new Contestant(name, flags.python, [
      path.join(__dirname, 'peer_lora.py'),
      '--model',
      model,
      '--mode',
      mode,
      '--serve',
    ]);
  const contestants = [
    ours('hifi, 3 heads in all layers', 0),
    ours('hifi-mid-top, prefix computed before', 3),
    peer('PEFT LoRA r = 8', 'lora'),
    peer('full-size gradients × mask', 'masked'),
    peer('full fine-tuning', 'full'),
  ];
  await Promise.all(contestants.map((contestant) => contestant.ready()));
  for (const shape of SHAPES) {
    const spreads = await inTurn(contestants, async (one) => Number(await one.ask(`step ${shape}`)), rounds, WARMUP);
    contestants.forEach(({ name }, i) => {
      row(`training step, ${shape.replace(' ', '×')}`, name, spreads[i], spreads[0]);
    });
  }
  for (const contestant of contestants) contestant.quit();
}

async function analysis(model: string, cola: string, rounds: number): Promise<void> {
  const task = ['--data', cola, '--task', 'cola'];
  const peer = new Contestant('PyTorch, NumPy and NetworkX', flags.python, [
    path.join(__dirname, 'peer_analysis.py'),
    '--model',
    model,
    ...task,
    '--serve',
  ]);
  await peer.ready();
  const hifi = async () => {
    const run = analyze({ model, data: { path: cola, task: 'cola' }, options: ANALYSIS_DEFAULTS });
    for (;;) {
      const next = await run.next();
      if (next.done) return next.value.elapsedSeconds;
    }
  };
  const work = async (one: 'hifi' | 'peer') => (one === 'hifi' ? hifi() : JSON.parse(await peer.ask('run')).seconds);
  const spreads = await inTurn(['hifi', 'peer'], work, rounds, 1);
  row('analysis, 300 CoLA sentences', 'hifi', spreads[0], spreads[0]);
  row('analysis, 300 CoLA sentences', peer.name, spreads[1], spreads[0]);
  peer.quit();
}

function row(work: string, name: string, { least, median, most }: Spread, hifi: Spread): void {
  const figures = `${median.toFixed(3)} (${least.toFixed(3)} … ${most.toFixed(3)})`;
  process.stdout.write(`| ${work} | ${name} | ${figures} | ${(median / hifi.median).toFixed(2)} |\n`);
}

void main();
