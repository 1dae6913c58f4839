import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { HifiError } from '../../foundation/errors';
import { hubName, KNOWN_MODELS } from '../../model/known-models';
import { modelCache, resolveModel } from '../../model/resolve';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-resolve-'));
const before = { PATH: process.env.PATH, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME };
const cwd = process.cwd();

beforeAll(() => {
  // No test may start a download: PATH has no python3.
  process.env.PATH = root;
  process.env.XDG_CACHE_HOME = path.join(root, 'cache');
  fs.mkdirSync(path.join(root, 'mine'));
  fs.writeFileSync(path.join(root, 'file'), '');
  process.chdir(root);
});
afterAll(() => {
  process.chdir(cwd);
  Object.assign(process.env, before);
  if (before.XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  fs.rmSync(root, { recursive: true });
});

async function refusal(name: string, options = {}): Promise<string> {
  const error = await resolveModel(name, options).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HifiError);
  expect((error as HifiError).code).toBe('INVALID_INPUT');
  expect((error as HifiError).message).not.toContain('\n');
  return (error as HifiError).message;
}

test.each([
  ['an existing name', 'mine', () => 'mine'],
  ['a path', './mine', () => './mine'],
  ['the home folder', '~', () => os.homedir()],
  ['the folder itself', '.', () => '.'],
])('%s is a folder', async (_, name, folder) => {
  expect(await resolveModel(name)).toBe(folder());
});

test('a folder with a known name takes precedence', async () => {
  const folder = path.join(root, 'all-MiniLM-L6-v2');
  fs.mkdirSync(folder);
  expect(await resolveModel('all-MiniLM-L6-v2')).toBe('all-MiniLM-L6-v2');
  fs.rmSync(folder, { recursive: true });
});

test.each([
  ['./mien', './mien: no such folder; did you mean "mine"?'],
  ['../none/of/these', '../none/of/these: no such folder'],
  ['~/hifi-none-of-these', '~/hifi-none-of-these: no such folder'],
  ['/all-MiniLM-L6-v2', '/all-MiniLM-L6-v2: no such folder'],
  ['file', 'file: is a file'],
  ['', 'model is empty'],
  ['all-MiniLM-L6-v3', 'nothing may be downloaded offline; did you mean "all-MiniLM-L6-v2"?'],
  ['sentence-transformers/all-MiniLM-L6-v2', 'did you mean "all-MiniLM-L6-v2"?'],
  ['toString', 'toString: neither in '],
])('%s is refused', async (name, message) => {
  expect(await refusal(name, { offline: true })).toContain(message);
});

test('a known model is read from the cache if it is complete, else it must be downloaded', async () => {
  const name = 'all-MiniLM-L6-v2';
  const folder = path.join(modelCache(), name);
  expect(folder).toBe(path.join(root, 'cache/hifi/models', name));
  expect(await refusal(name, { offline: true })).toContain('nothing may be downloaded offline');
  await expect(resolveModel(name)).rejects.toThrow('python3 cannot be started');

  fs.mkdirSync(folder, { recursive: true });
  for (const [file, size] of Object.entries(KNOWN_MODELS[name].files)) {
    fs.writeFileSync(path.join(folder, file), '');
    fs.truncateSync(path.join(folder, file), size);
  }
  const reported = jest.fn();
  expect(await resolveModel(name, { onProgress: reported })).toBe(folder);
  expect(await resolveModel(name, { offline: true })).toBe(folder);
  expect(reported).not.toHaveBeenCalled();

  fs.truncateSync(path.join(folder, 'model.safetensors'), 1);
  expect(await refusal(name, { offline: true })).toContain('nothing may be downloaded offline');
});

test("a known model's name on the Hub follows from its weights, whatever its folder is called", () => {
  const golden = fs.readFileSync(path.join(__dirname, '../fixtures/minilm/golden.json'), 'utf8');
  const { sha256 } = JSON.parse(golden);
  expect(hubName({ name: 'all-MiniLM-L6-v2', sha256 })).toBe('sentence-transformers/all-MiniLM-L6-v2');
  expect(hubName({ name: 'my-base', sha256 }, '/models/my-base')).toBe('sentence-transformers/all-MiniLM-L6-v2');
  expect(hubName({ name: 'all-MiniLM-L6-v2', sha256: '0'.repeat(64) }, '/models/all-MiniLM-L6-v2')).toBeUndefined();
});

test('a signal that has already aborted counts', async () => {
  await expect(resolveModel('all-MiniLM-L6-v2', { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'CANCELLED',
  });
});
