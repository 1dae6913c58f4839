import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { inTurn } from './candidate';
import { printRow } from './table';
import { watched } from './watched';

const COMMAND = path.join(__dirname, '../dist/cli/hifi.js');

/** Rows of the job whose fixed cost is measured. */
const JOB_ROWS = 200;
const JOB = path.join(__dirname, 'job-child.cjs');
const LIBRARY = path.join(__dirname, '../dist/index.js');

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
  const fixedCost = async () => {
    const { seconds, stdout } = await watched(process.execPath, [JOB, LIBRARY, model, rows, fresh()]);
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
