import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cached, cacheFolder, fileSha256, isCached } from '../../infra/cache';

let home: string;
const before = process.env.XDG_CACHE_HOME;

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-cache-'));
  process.env.XDG_CACHE_HOME = home;
});

afterEach(() => {
  fs.rmSync(home, { recursive: true });
  if (before === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = before;
});

it("the cache is the user's, by the XDG specification", () => {
  expect(cacheFolder()).toBe(path.join(home, 'hifi'));
  process.env.XDG_CACHE_HOME = 'relative';
  expect(cacheFolder()).toBe(path.join(os.homedir(), '.cache/hifi'));
  delete process.env.XDG_CACHE_HOME;
  expect(cacheFolder()).toBe(path.join(os.homedir(), '.cache/hifi'));
});

it('a folder is made once, and nothing stays beside it', async () => {
  const make = jest.fn(async (folder: string) => fs.writeFileSync(path.join(folder, 'a'), 'A'));
  const folder = await cached('kind/name', make);
  expect(folder).toBe(path.join(home, 'hifi/kind/name'));
  expect(await cached('kind/name', make)).toBe(folder);
  expect(make).toHaveBeenCalledTimes(1);
  expect(fs.readdirSync(path.dirname(folder))).toEqual(['name']);
  expect(fs.readFileSync(path.join(folder, 'a'), 'utf8')).toBe('A');
});

it('a folder whose making fails is not there', async () => {
  const making = cached('kind/name', async (folder) => {
    fs.writeFileSync(path.join(folder, 'half'), '');
    throw new Error('no more');
  });
  await expect(making).rejects.toThrow('no more');
  expect(isCached('kind/name')).toBe(false);
  expect(fs.readdirSync(path.join(home, 'hifi/kind'))).toEqual([]);
});

it('of two that make it at once one wins, whole', async () => {
  const make = (text: string, wait: number) => async (folder: string) => {
    fs.writeFileSync(path.join(folder, 'first'), text);
    await sleep(wait);
    fs.writeFileSync(path.join(folder, 'second'), text);
  };
  const [a, b] = await Promise.all([cached('kind/name', make('slow', 60)), cached('kind/name', make('quick', 10))]);
  expect(a).toBe(b);
  expect(fs.readFileSync(path.join(a, 'first'), 'utf8')).toBe('quick');
  expect(fs.readFileSync(path.join(a, 'second'), 'utf8')).toBe('quick');
  expect(fs.readdirSync(path.dirname(a))).toEqual(['name']);
});

it('SHA-256 of a file longer than a read', async () => {
  const file = path.join(home, 'file');
  const bytes = crypto.randomBytes(2_500_001);
  fs.writeFileSync(file, bytes);
  expect(await fileSha256(file)).toBe(crypto.createHash('sha256').update(bytes).digest('hex'));
});
