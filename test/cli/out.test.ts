import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDelta } from '../../delta/delta';
import { openCheckpoint } from '../../model/checkpoint';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';
import { mayMount, withMounts } from '../support/mounts';

/*
 * Tests an unwritable `--out`: each command reports it before it reads anything else. The named
 * model and rows do not exist.
 */

const scratch = temporaryFolder('cli-out');
afterAll(() => fs.rmSync(scratch, { recursive: true }));
const entry = path.join(__dirname, '../../cli/hifi.ts');
const model = path.join(FIXTURES, 'tiny-bert');

const rows = '--text-columns a --label-column b';
const toFolder = [
  `run --model /nowhere --train /nowhere.tsv ${rows}`,
  `analyze --model /nowhere --data /nowhere.tsv ${rows}`,
  `train --model /nowhere --train /nowhere.tsv ${rows} --mask ${scratch}/mask.json`,
  'export --model /nowhere --delta /nowhere --format onnx',
  'export --undo /nowhere',
  `compare --model /nowhere --train /nowhere.tsv ${rows} --strategies none,all --rows 8`,
];
const toFile = [
  'select --heads /nowhere.json',
  `score --model /nowhere --train /nowhere.tsv ${rows} --strategy gradient`,
  'predict --model /nowhere --data /nowhere.txt',
];
const mask = {
  schemaVersion: 1,
  model: { name: 'm', sha256: 'ab'.repeat(32) },
  ...{ strategy: 'hifi', k: 1, tune: 'qkv', heads: [], trainableParameters: 0, totalParameters: 1, share: 0 },
};
fs.writeFileSync(path.join(scratch, 'mask.json'), JSON.stringify(mask));

/** Runs commands in one shell, after `mounts`. @returns the exit code and the output of each */
function outcomes(mounts: string, commands: readonly string[]): string[] {
  const lines = commands.map((words) => `${process.execPath} ${entry} ${words} 2>&1 || echo "exit $?"; echo ----`);
  return withMounts(`${mounts}\n${lines.join('\n')}`)
    .split('----\n')
    .slice(0, -1);
}

(mayMount ? describe : describe.skip)('in mounts', () => {
  test('a read-only file system, and a mounted file', () => {
    const [ro, bound] = ['ro', 'bound.json'].map((name) => path.join(scratch, name));
    fs.writeFileSync(bound, '');
    const mounts = `mkdir ${ro}; mount -t tmpfs -o ro none ${ro}; mount --bind ${bound} ${bound}`;
    const commands = [
      ...toFolder.map((words) => `${words} --out ${ro}/out`),
      `init ${ro}/hifi.yaml`,
      ...toFile.map((words) => `${words} --out ${bound}`),
    ];
    const readOnly = `cannot be written: ${ro} is on a read-only file system`;
    const mounted =
      'cannot be written: it is a mount point, which no new file can replace; mount its folder, or give another file';
    expect(outcomes(mounts, commands)).toEqual([
      ...toFolder.map(() => `hifi: --out ${ro}/out ${readOnly}\nexit 2\n`),
      `hifi: ${ro}/hifi.yaml ${readOnly}\nexit 2\n`,
      ...toFile.map(() => `hifi: --out ${bound} ${mounted}\nexit 2\n`),
    ]);
  });

  test('an export fills a mount point, replaces its earlier files, and undo fills another', async () => {
    const checkpoint = await openCheckpoint(model);
    const delta = path.join(scratch, 'delta');
    try {
      writeDelta(delta, randomDelta(checkpoint, { heads: [[1], [2]], labels: ['no', 'yes'] }));
    } finally {
      checkpoint.close();
    }
    const [merged, base] = ['merged', 'base'].map((name) => path.join(scratch, name));
    const mounts = [merged, base].map((at) => `mkdir ${at}; mount -t tmpfs none ${at}`).join('\n');
    const made = `export --model ${model} --delta ${delta} --format checkpoint --out ${merged}`;
    const results = outcomes(mounts, [
      made,
      `${made} --overwrite`,
      `export --undo ${merged} --out ${base} && cmp ${base}/model.safetensors ${model}/model.safetensors && ls -A ${merged}`,
    ]);
    expect(results[0].split('\n').at(-2)).toBe(merged);
    expect(results[1].split('\n').at(-2)).toBe(merged);
    expect(results[2].split('\n')).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
      'undo.safetensors',
      '',
    ]);
  });
});
