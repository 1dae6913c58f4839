import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { FillingDisk } from '../support/filling-disk';
import { fixtures } from './spawn';

const HOOK = path.join(__dirname, '../support/typescript-hook.cjs');
const HIFI = path.join(__dirname, '../../cli/hifi.ts');
const disk = FillingDisk.mount(1);
afterEach(() => disk?.empty());
afterAll(() => disk?.unmount());

/** Runs the command in a shell, with a redirection. */
function hifi(redirected: string, ...words: string[]) {
  const command = ['-c', `"$@" ${redirected}`, 'bash', process.execPath, '--require', HOOK, HIFI, ...words];
  const { status, stderr, stdout } = spawnSync('bash', command, { encoding: 'utf8' });
  return { status, stderr, stdout };
}
const oneLine = expect.stringMatching(/^hifi: stdout cannot be written: .*no space left.*\n$/);

test.each([
  ['an answer', ['completion', 'bash']],
  ['help', ['run', '--help']],
  ['the version', ['--version']],
])('%s to a full disk ends with one line and exit code 4', (_, words) => {
  expect(hifi('>/dev/full', ...words)).toMatchObject({ status: 4, stderr: oneLine });
});

// The system writes what fits, and Node's stream for files ignores the returned length.
(disk ? test : test.skip)('a partly written answer fails', () => {
  disk!.fill(4096);
  const file = path.join(disk!.folder, 'answer');
  expect(hifi(`>${file}`, 'completion', 'bash')).toMatchObject({ status: 4, stderr: oneLine });
  expect(fs.statSync(file).size).toBe(4096);
  fs.rmSync(file);
});

test('a full disk for stderr does not stop the command', () => {
  const heads = path.join(fixtures, 'no-such-heads.json');
  expect(hifi('2>/dev/full', 'completion', 'bash')).toMatchObject({ status: 0 });
  expect(hifi('2>/dev/full', 'select', '--heads', heads, '--out', 'mask.json')).toMatchObject({ status: 2 });
});

(disk ? test : test.skip)(
  'a file that finds no room is one line with what is free, exit code 4, and no trace of it',
  () => {
    const file = path.join(disk!.folder, 'hifi.yaml');
    disk!.fill();
    const words = [
      'init',
      file,
      '--model',
      'm',
      '--train',
      'train.csv',
      '--text-columns',
      'text',
      '--label-column',
      'label',
    ];
    const { status, stderr } = hifi('', ...words);
    expect({ status, stderr }).toEqual({
      status: 4,
      stderr: expect.stringMatching(
        /^hifi: .*hifi\.yaml cannot be written: its disk is full, with \d+ bytes free.*\n$/,
      ),
    });
    expect(fs.readdirSync(disk!.folder)).toEqual(['ballast']);
    const rows = spawnSync(
      'bash',
      [
        '-c',
        'yes "a line of text" | head -c 300000 | "$@"',
        'bash',
        process.execPath,
        '--require',
        HOOK,
        HIFI,
        'analyze',
      ].concat([
        '--model',
        path.join(fixtures, 'tiny-bert'),
        '--data',
        '-',
        '--format',
        'txt',
        '--out',
        '/tmp/never-made',
      ]),
      { encoding: 'utf8', env: { ...process.env, TMPDIR: disk!.folder } },
    );
    expect({ status: rows.status, stderr: rows.stderr }).toEqual({
      status: 4,
      stderr: expect.stringMatching(/^hifi: .*cannot be written: its disk is full, with \d+ bytes free.*\n$/),
    });
    expect([fs.readdirSync(disk!.folder), fs.existsSync('/tmp/never-made')]).toEqual([['ballast'], false]);
  },
);
