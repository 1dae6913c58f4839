import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { openBrowser } from './browser';
import { findBrowser, setUpTestBrowser } from './test-browser';

const before = process.env.PATH;
let folder: string;
let root: jest.SpyInstance;

/** Writes a program of a few lines of shell. */
function program(name: string, script: string): void {
  fs.writeFileSync(path.join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

async function setUp(): Promise<string[]> {
  const lines: string[] = [];
  await setUpTestBrowser((line) => lines.push(line));
  return lines;
}

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-test-browser-'));
  process.env.PATH = folder;
  root = jest.spyOn(process, 'getuid' as never).mockReturnValue(0 as never);
});

afterEach(() => {
  process.env.PATH = before;
  root.mockRestore();
  fs.rmSync(folder, { recursive: true });
});

it('finds an installed browser by any of its names', async () => {
  program('chromium-browser', '');
  expect(findBrowser()).toBe(path.join(folder, 'chromium-browser'));
  expect(await setUp()).toEqual([]);
});

it('installs it as root on Debian, with updated package lists if needed', async () => {
  const browser = path.join(folder, 'chromium');
  program(
    'apt-get',
    `echo "$*" >> '${folder}/calls'
     [ "$1" = update ] && { echo > '${folder}/lists'; exit 0; }
     [ -e '${folder}/lists' ] || exit 100
     /bin/cp "$0" '${browser}'`,
  );
  expect(await setUp()).toEqual(['installing Chromium for the tests (apt-get install -y chromium)']);
  expect(fs.readFileSync(path.join(folder, 'calls'), 'utf8').trim().split('\n')).toEqual([
    'install -y chromium',
    'update',
    'install -y chromium',
  ]);
  expect(findBrowser()).toBe(browser);
  expect(await setUp()).toEqual([]);
});

it('continues without it, with one line that gives the reason; its tests name the command', async () => {
  const line = (reason: string) =>
    `tests of pages will fail: Chromium is not on PATH and was not installed: ${reason} (apt-get install -y chromium)`;
  expect(await setUp()).toEqual([line('there is no apt-get')]);
  program('apt-get', 'echo "E: no network" >&2; exit 100');
  expect(await setUp()).toEqual([
    'installing Chromium for the tests (apt-get install -y chromium)',
    line('E: no network'),
  ]);
  root.mockReturnValue(1000);
  expect(await setUp()).toEqual([line('this needs root')]);
  await expect(openBrowser()).rejects.toThrow(/^this test needs Chromium on PATH: apt-get install -y chromium$/);
});
