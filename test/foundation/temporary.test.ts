import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { temporaryFolder } from '../../foundation/temporary';
import { temporaryFolder as scratchFolder } from '../support/deltas';

const HOOK = require.resolve('../support/typescript-hook.cjs');
const scratch = scratchFolder('temporary');
afterAll(() => fs.rmSync(scratch, { recursive: true }));

/**
 * Runs a process with two folders that ends in a given way. Returns how it ended and the remaining
 * folders.
 */
function ended(does: string) {
  const parent = fs.mkdtempSync(path.join(scratch, 'tmp-'));
  const script = `const { temporaryFolder } = require(${JSON.stringify(require.resolve('../../foundation/temporary'))});
    for (const purpose of ['rows', 'stdin']) require('fs').writeFileSync(temporaryFolder(purpose).path + '/rows', 'secret');
    setInterval(() => {}, 1000);
    ${does}`;
  const { status, signal, stdout } = spawnSync(process.execPath, ['--require', HOOK, '-e', script], {
    env: { ...process.env, TMPDIR: parent },
    encoding: 'utf8',
  });
  return { status, signal, stdout, left: fs.readdirSync(parent) };
}

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
  '%s ends a process as without a folder, and the folder is removed',
  (signal) => {
    expect(ended(`process.kill(process.pid, '${signal}')`)).toEqual({ status: null, signal, stdout: '', left: [] });
  },
);

test('neither an error nor an exit leaves a folder', () => {
  expect(ended(`throw new Error('not caught')`)).toMatchObject({ status: 1, left: [] });
  expect(ended('process.exit(3)')).toMatchObject({ status: 3, left: [] });
});

test('another listener handles the signal, and the folder stays until the process ends', () => {
  const files = `require('fs').readdirSync(process.env.TMPDIR).length`;
  const listens = `process.once('SIGTERM', () => setTimeout(() => { console.log(${files}); process.exit(5); }, 50));`;
  const outcome = { status: 5, signal: null, stdout: '2\n', left: [] };
  expect(ended(`${listens} process.kill(process.pid, 'SIGTERM')`)).toEqual(outcome);
});

test('the listeners are removed with the last folder', () => {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const count = () => signals.map((signal) => process.listenerCount(signal));
  const before = count();
  const folders = ['a', 'b'].map((purpose) => temporaryFolder(purpose));
  expect(count()).toEqual(before.map((listeners) => listeners + 1));
  for (const folder of folders) folder.remove();
  expect(count()).toEqual(before);
  expect(folders.some((folder) => fs.existsSync(folder.path))).toBe(false);
});

test('the error names a temporary folder that is not writable', () => {
  const script = `try { require(process.argv[1]).temporaryFolder('rows') } catch (error) { console.log(error.code, error.message) }`;
  const env = { ...process.env, TMPDIR: path.join(scratch, 'none') };
  const words = ['--require', HOOK, '-e', script, require.resolve('../../foundation/temporary')];
  const { stdout } = spawnSync(process.execPath, words, { env, encoding: 'utf8' });
  const line = `cannot write temporary files in ${scratch}/none (ENOENT); set TMPDIR to a folder that you can write`;
  expect(stdout).toBe(`FAILED ${line}\n`);
});
