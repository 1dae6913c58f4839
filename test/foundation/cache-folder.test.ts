import { spawnSync } from 'node:child_process';
import * as os from 'node:os';
import * as path from 'node:path';
import { cacheFolder } from '../../foundation/cache-folder';
import { modelCache } from '../../model/resolve';

const before = process.env.XDG_CACHE_HOME;

afterEach(() => {
  if (before === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = before;
});

it.each([
  ['/some/place', '/some/place/hifi'],
  ['relative', path.join(os.homedir(), '.cache/hifi')],
  ['', path.join(os.homedir(), '.cache/hifi')],
  [undefined, path.join(os.homedir(), '.cache/hifi')],
])("is the user's, by the XDG specification, for models too: %s", (home, wanted) => {
  if (home === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = home;
  expect(cacheFolder()).toBe(wanted);
  expect(modelCache()).toBe(path.join(wanted, 'models'));
});

it('the message for an unknown user without HOME names the variable to set', () => {
  if (process.getuid?.() !== 0) {
    process.stderr.write('left out: only root can start a process of another user\n');
    return;
  }
  const { HOME: _, XDG_CACHE_HOME: __, ...env } = process.env;
  const script =
    'try { require(process.argv[1]).cacheFolder() } catch (error) { console.log(error.code, error.message) }';
  const words = ['--require', require.resolve('../support/typescript-hook.cjs'), '-e', script];
  const file = require.resolve('../../foundation/cache-folder');
  const { stdout } = spawnSync(process.execPath, [...words, file], { env, uid: 54_321, gid: 54_321, encoding: 'utf8' });
  expect(stdout).toBe('INVALID_INPUT this user has no home folder: set HOME, or give XDG_CACHE_HOME\n');
});
