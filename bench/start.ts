import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { inTurn } from './candidate';
import { printRow } from './table';
import { watched } from './watched';

const COMMAND = path.join(__dirname, '../dist/cli/hifi.js');

/** Rows of the job whose fixed cost is measured. */
const JOB_ROWS = 200;

/**
 * Program that runs a job of one epoch by the built library, and prints the seconds of its steps
 * and of its evaluation. Arguments: library, model, rows, folder of the results.
 */
const JOB = `
  const [library, model, train, out] = process.argv.slice(2);
  const { runJob } = require(library);
  (async () => {
    let last, steps, evaluation;
    const request = { model, train: { path: train, task: 'cola' }, out, training: { epochs: 1 }, exports: ['checkpoint'] };
    for await (const event of runJob(request)) {
      if (event.kind === 'progress' && event.stage === 'train') last = performance.now();
      if (event.kind !== 'epoch') continue;
      evaluation = (performance.now() - last) / 1000;
      steps = event.epoch.seconds;
    }
    console.log(JSON.stringify({ steps, evaluation }));
  })();
`;

/** Measures the time until a command ends or prints its first line, and a job's fixed cost. */
export async function benchStart(model: string, cola: string, rounds: number): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-'));
  const hifi = (...args: string[]) => watched(process.execPath, [COMMAND, ...args]);
  const data = ['--task', 'cola', '--data', path.join(cola, 'train.tsv')];
  const fresh = () => fs.mkdtempSync(path.join(folder, 'out-'));
  const heads = path.join(folder, 'analysis');
  const rows = path.join(folder, 'rows.tsv');
  const lines = fs.readFileSync(path.join(cola, 'train.tsv'), 'utf8').split('\n').slice(0, JOB_ROWS);
  fs.writeFileSync(rows, `${lines.join('\n')}\n`);
  const job = path.join(folder, 'job.cjs');
  fs.writeFileSync(job, JOB);
  const fixedCost = async () => {
    const library = path.join(__dirname, '../dist/index.js');
    const { seconds, stdout } = await watched(process.execPath, [job, library, model, rows, fresh()]);
    const { steps, evaluation } = JSON.parse(stdout) as { steps: number; evaluation: number };
    return seconds - steps - evaluation;
  };
  try {
    await hifi('analyze', '--model', model, ...data, '--out', heads);
    const works: [name: string, run: () => Promise<number>][] = [
      ['node -e 0', async () => (await watched(process.execPath, ['-e', '0'])).seconds],
      ['hifi --help', async () => (await hifi('--help')).seconds],
      [
        'hifi select',
        async () =>
          (await hifi('select', '--heads', path.join(heads, 'heads.json'), '--out', path.join(fresh(), 'mask.json')))
            .seconds,
      ],
      [
        'first line of hifi analyze',
        async () =>
          (await hifi('analyze', '--model', model, ...data, '--samples', '10', '--out', fresh())).firstSeconds,
      ],
    ];
    const spreads = await inTurn(works, ([, run]) => run(), rounds, 1);
    for (const [i, [name]] of works.entries()) printRow('start, s', name, spreads[i], spreads[1]);
    const [fixed] = await inTurn([fixedCost], (run) => run(), rounds, 1);
    printRow(`run on ${JOB_ROWS} rows: everything but steps and evaluation, s`, 'hifi', fixed, fixed);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
