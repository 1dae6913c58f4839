import * as os from 'node:os';
import * as path from 'node:path';
import { cacheFolder } from '../../model/cache-folder';
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
