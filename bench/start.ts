import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { inTurn } from './candidate';
import { printRow } from './table';
import { watched } from './watched';

const COMMAND = path.join(__dirname, '../dist/cli/hifi.js');

/** Measures the time until a command ends or prints its first line. */
export async function benchStart(model: string, cola: string, rounds: number): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-'));
  const hifi = (...args: string[]) => watched(process.execPath, [COMMAND, ...args]);
  const data = ['--task', 'cola', '--data', path.join(cola, 'train.tsv')];
  const fresh = () => fs.mkdtempSync(path.join(folder, 'out-'));
  const heads = path.join(folder, 'analysis');
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
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
