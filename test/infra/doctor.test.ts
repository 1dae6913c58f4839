import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { checkBfloat16, checkNode, examine } from '../../infra/doctor';

const before = { ...process.env };
let empty: string;

beforeEach(() => {
  empty = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-doctor-'));
});

afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
  fs.rmSync(empty, { recursive: true });
});

it('finds everything on a machine that is set up', async () => {
  const checks = await examine();
  expect(checks.filter((one) => one.required && !one.ok)).toEqual([]);
  const found = Object.fromEntries(checks.map((one) => [one.name, one.found]));
  expect(found['Node.js']).toBe(process.versions.node);
  expect(found.TensorFlow).toBe('tfjs-node 4.22.0 on TensorFlow 2.18.1');
  expect(found.onnxruntime).toMatch(/^onnxruntime-node 1\.30\.0, with cpu/);
  for (const one of checks) expect(one.mend === null).toBe(one.ok);
});

it('names missing tools and how to install them; a built binding needs no tools', async () => {
  process.env.PATH = empty;
  process.env.XDG_CACHE_HOME = path.join(empty, 'cache');
  const checks = Object.fromEntries((await examine()).map((one) => [one.name, one]));
  for (const name of ['python3', 'pip', 'make', 'C++ compiler']) {
    expect(checks[name]).toMatchObject({ ok: false, required: false, found: 'not found' });
    expect(checks[name].mend).toMatch(/install|ensurepip/);
  }
  expect(checks.CUDA).toMatchObject({ ok: false, required: false });
  expect(checks['model all-MiniLM-L6-v2']).toMatchObject({ ok: false, required: false, found: 'not fetched yet' });
  expect(checks['cache folder'].found).toMatch(/GB free$/);
});

it('says whether the processor has bfloat16', () => {
  const check = (flags: string) => checkBfloat16({ model: 'A 1', flags });
  expect(check('fpu amx_bf16')).toMatchObject({ ok: true, found: 'A 1 has amx_bf16', mend: null });
  const found = 'A 1 lacks amx_bf16: --precision bf16 is an error';
  expect(check('fpu avx512_bf16')).toMatchObject({ ok: false, found, mend: 'nothing to do: float32 is the default' });
});

it('requires the same Node.js as package.json', () => {
  const { engines } = JSON.parse(fs.readFileSync(path.join(__dirname, '../../package.json'), 'utf8'));
  expect(checkNode('1.0.0').mend).toContain(`Node.js ${engines.node.replace('>=', '')} or newer`);
});

it.each([
  ['18.20.8', false],
  ['20.18.3', false],
  ['20.19.0', true],
  ['22.0.0', true],
  ['24.1.0', true],
])('Node.js %s: %s', (version, ok) => {
  expect(checkNode(version)).toMatchObject({ ok, found: version });
});
