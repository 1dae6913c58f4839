import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processMark } from '../../foundation/process-identity';
import { cached, isCached } from '../../infra/cache';

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

it('a folder is created once, and nothing stays beside it', async () => {
  const make = jest.fn(async (folder: string) => fs.writeFileSync(path.join(folder, 'a'), 'A'));
  const folder = await cached('kind/name', make);
  expect(folder).toBe(path.join(home, 'hifi/kind/name'));
  expect(await cached('kind/name', make)).toBe(folder);
  expect(make).toHaveBeenCalledTimes(1);
  expect(fs.readdirSync(path.dirname(folder))).toEqual(['name']);
  expect(fs.readFileSync(path.join(folder, 'a'), 'utf8')).toBe('A');
});

it('a folder whose creation fails does not exist', async () => {
  const making = cached('kind/name', async (folder) => {
    fs.writeFileSync(path.join(folder, 'half'), '');
    throw new Error('no more');
  });
  await expect(making).rejects.toThrow('no more');
  expect(isCached('kind/name')).toBe(false);
  expect(fs.readdirSync(path.join(home, 'hifi/kind'))).toEqual([]);
});

it('the folder of a killed process is removed, and that of a running one stays', async () => {
  const at = (name: string) => path.join(home, 'hifi/kind', name);
  const dead = processMark(2 ** 22 + 1); // greater than any process id
  const living = processMark(process.ppid);
  const left = [`name.making-${dead}-abcdef`, `name.making-${living}-abcdef`, `other.making-${dead}-abcdef`];
  for (const name of left) {
    fs.mkdirSync(at(name), { recursive: true });
    fs.writeFileSync(path.join(at(name), 'half'), '');
  }
  await cached('kind/name', async (folder) => fs.writeFileSync(path.join(folder, 'a'), 'A'));
  expect(fs.readdirSync(at('.')).sort()).toEqual(['name', ...left.slice(1)].sort());
});

it('of two concurrent creations one wins, whole', async () => {
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
