import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = path.join(__dirname, '../..');
let tree: string;

const write = (file: string, text: string) => {
  fs.mkdirSync(path.join(tree, path.dirname(file)), { recursive: true });
  fs.writeFileSync(path.join(tree, file), text);
};
const built = (file: string) => path.join(tree, 'dist', file);

function setUp(...flags: string[]) {
  const args = ['infra/setup.cjs', ...flags];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: tree, encoding: 'utf8' });
  return { status, lines: stderr.split('\n').filter((line) => line !== '') };
}

// Checkout of a few sources with this one's packages. Stand-ins replace the native parts, which
// native.test.ts covers.
beforeEach(() => {
  tree = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-setup-'));
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(tree, 'node_modules'));
  for (const file of ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'infra/setup.cjs']) {
    write(file, fs.readFileSync(path.join(root, file), 'utf8'));
  }
  write('infra/native.ts', 'export async function setUp(): Promise<void> {}\n');
  write('cli/hifi.ts', "#!/usr/bin/env node\nconsole.log('it runs');\n");
});

afterEach(() => fs.rmSync(tree, { recursive: true }));

it('builds a command that runs; the second set-up does nothing and logs nothing', () => {
  expect(setUp()).toEqual({ status: 0, lines: ['building (tsc)'] });
  const { bin, main } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  expect(spawnSync(path.join(tree, bin.hifi), { encoding: 'utf8' }).stdout).toBe('it runs\n');
  expect(main).toBe('dist/index.js');
  expect(setUp()).toEqual({ status: 0, lines: [] });
  expect(fs.existsSync(built('.setup-lock'))).toBe(false);
});

it('rebuilds changed or missing files, and removes files without a source', () => {
  write('model/a.ts', 'export const a = 1;\n');
  write('model/b.ts', 'export const b = 1;\n');
  setUp();
  write('model/a.ts', 'export const a = 2;\n');
  fs.rmSync(path.join(tree, 'model/b.ts'));
  expect(setUp()).toEqual({ status: 0, lines: ['building (tsc)'] });
  expect(fs.readFileSync(built('model/a.js'), 'utf8')).toMatch(/a = 2/);
  expect(fs.readdirSync(built('model')).sort()).toEqual(['a.d.ts', 'a.js']);
  fs.rmSync(built('model/a.js'));
  expect(setUp()).toEqual({ status: 0, lines: ['building (tsc)'] });
  expect(fs.existsSync(built('model/a.js'))).toBe(true);
});

it('fails if the build fails, until it is fixed', () => {
  write('model/a.ts', "export const a: number = 'one';\n");
  for (let run = 0; run < 2; run++) {
    const { status, lines } = setUp();
    expect(status).toBe(1);
    expect(lines.at(-1)).toBe('setup: the build failed');
  }
  write('model/a.ts', 'export const a: number = 1;\n');
  expect(setUp().status).toBe(0);
});

it("ends with the one line of the native parts' error", () => {
  write(
    'infra/native.ts',
    "export async function setUp() { throw Object.assign(new Error('no make'), { name: 'HifiError' }); }\n",
  );
  expect(setUp()).toEqual({ status: 1, lines: ['building (tsc)', 'setup: no make'] });
  expect(fs.existsSync(built('.setup-lock'))).toBe(false);
});

it('looks for test tools only if the script of npm test requests them', () => {
  for (const file of ['test/support/typescript-hook.cjs', 'test/support/swc.cjs']) {
    write(file, fs.readFileSync(path.join(root, file), 'utf8'));
  }
  write(
    'test/support/test-tools.ts',
    "export async function setUpTestTools(log: (line: string) => void) { log('tools'); }\n",
  );
  expect(setUp()).toEqual({ status: 0, lines: ['building (tsc)'] });
  expect(setUp('--test-tools')).toEqual({ status: 0, lines: ['tools'] });
  const { scripts } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  expect(Object.keys(scripts).filter((name) => scripts[name].includes('--test-tools'))).toEqual(['test']);
});

it('takes over the lock of a killed set-up, and waits for a running one', async () => {
  fs.mkdirSync(built(''));
  fs.writeFileSync(built('.setup-lock'), String(spawnSync(process.execPath, ['-e', '']).pid));
  expect(setUp()).toEqual({ status: 0, lines: ['building (tsc)'] });
  // According to the lock, this process is running a set-up.
  fs.writeFileSync(built('.setup-lock'), String(process.pid));
  const hourAgo = Date.now() / 1000 - 3600;
  fs.utimesSync(built('.setup-lock'), hourAgo, hourAgo);
  const waiting = spawn(process.execPath, ['infra/setup.cjs'], { cwd: tree, stdio: ['ignore', 'ignore', 'pipe'] });
  const line = await new Promise((resolve) => waiting.stderr.once('data', (text) => resolve(String(text))));
  expect(line).toBe(`waiting for another set-up of this checkout (process ${process.pid})\n`);
  await sleep(600);
  expect(fs.readFileSync(built('.setup-lock'), 'utf8')).toBe(String(process.pid));
  fs.rmSync(built('.setup-lock'));
  expect(await new Promise((resolve) => waiting.once('close', resolve))).toBe(0);
});

it('of two that see the lock of a killed set-up, one runs at a time', async () => {
  expect(setUp().status).toBe(0);
  write(
    'dist/infra/native.js',
    `const fs = require('node:fs');
exports.setUp = async () => {
  fs.mkdirSync('busy');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  fs.rmdirSync('busy');
};`,
  );
  // Both read the dead lock; the slow one continues while the other is running.
  write(
    'hook.cjs',
    `const fs = require('node:fs');
const read = fs.readFileSync;
const until = (file) => {
  while (!fs.existsSync(file)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
};
fs.readFileSync = (file, ...rest) => {
  const text = read(file, ...rest);
  if (!String(file).endsWith('.setup-lock')) return text;
  fs.readFileSync = read;
  if (process.argv.includes('--slow')) fs.writeFileSync('seen', '');
  until(process.argv.includes('--slow') ? 'busy' : 'seen');
  return text;
};`,
  );
  fs.writeFileSync(built('.setup-lock'), String(spawnSync(process.execPath, ['-e', '']).pid));
  const statuses = [[], ['--slow']].map((speed) => {
    const args = ['--require', './hook.cjs', 'infra/setup.cjs', ...speed];
    const child = spawn(process.execPath, args, { cwd: tree, stdio: 'ignore' });
    return new Promise((resolve) => child.once('close', resolve));
  });
  expect(await Promise.all(statuses)).toEqual([0, 0]);
  expect(fs.readdirSync(built('')).filter((name) => name.startsWith('.setup-lock'))).toEqual([]);
});

it('does not remove a lock that another set-up has taken', () => {
  write(
    'infra/native.ts',
    "import { writeFileSync } from 'node:fs';\nexport async function setUp() { writeFileSync('dist/.setup-lock', '1'); }\n",
  );
  expect(setUp().status).toBe(0);
  expect(fs.readFileSync(built('.setup-lock'), 'utf8')).toBe('1');
});
