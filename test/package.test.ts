import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

/*
 * What `npm pack` makes of the build, unpacked into a project elsewhere whose other packages are links to this checkout's: those
 * that package.json lists as dependencies and no others. What an install from a registry adds, npm's own work and the set-up of
 * the native parts, is not seen here (native.test.ts and setup.test.ts have the set-up).
 */
const checkout = path.join(__dirname, '..');
const manifest = JSON.parse(fs.readFileSync(path.join(checkout, 'package.json'), 'utf8'));
const fixtures = path.join(__dirname, 'fixtures');
const app = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-package-')));
const installed = path.join(app, 'node_modules', manifest.name);
let files: string[];

function run(command: string, ...args: string[]) {
  // Without the hook that lets the tests' processes run the sources.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: app, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}\n${stderr}${stdout}`);
  return stdout;
}
const hifi = (...words: string[]) => run(path.join(installed, manifest.bin.hifi), ...words);

beforeAll(() => {
  run('npm', 'pack', checkout, '--ignore-scripts', '--silent', '--pack-destination', app);
  fs.mkdirSync(installed, { recursive: true });
  run('tar', '-xzf', `${manifest.name}-${manifest.version}.tgz`, '-C', installed, '--strip-components=1');
  files = fs.readdirSync(installed, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    return entry.isFile() ? [path.relative(installed, path.join(entry.parentPath, entry.name))] : [];
  });
  for (const name of Object.keys(manifest.dependencies)) {
    const link = path.join(app, 'node_modules', name);
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(path.join(checkout, 'node_modules', name), link);
  }
});
afterAll(() => fs.rmSync(app, { recursive: true }));

test('it holds the build, its types, the contract and the legal texts, and nothing else', () => {
  const rest = files.filter(
    (file) => !/^dist\/.*(\.js|\.d\.ts)$|^proto\/(hifi\/v1|google\/rpc)\/\w+\.proto$/.test(file),
  );
  expect(rest.sort()).toEqual(['LICENSE', 'README.md', 'THIRD_PARTY.md', 'package.json']);
  expect(files).toContain('proto/hifi/v1/gateway.proto');
  expect(files).toEqual(expect.arrayContaining([manifest.main, manifest.types, manifest.bin.hifi]));
  expect(files.filter((file) => /(^|\/)(test|bench)\/|\.test\./.test(file))).toEqual([]);
});

test('require gives the library', () => {
  const script = `console.log(Object.keys(require('${manifest.name}')).join(' '))`;
  expect(run(process.execPath, '-e', script).trim().split(' ')).toEqual(
    expect.arrayContaining([
      'analyze',
      'select',
      'train',
      'evaluate',
      'predict',
      'runJob',
      'resolveModel',
      'HifiError',
    ]),
  );
});

test('its types compile strictly, in a project that has no others', () => {
  fs.writeFileSync(
    path.join(app, 'use.ts'),
    `import { analyze, type HeadReport, select } from '${manifest.name}';
export async function chosen(model: string): Promise<HeadReport> {
  const run = analyze({ model, data: { path: 'train.tsv', task: 'cola' } });
  let step = await run.next();
  while (!step.done) step = await run.next();
  const { heads } = select(step.value, { strategy: 'hifi', k: 3 });
  const layer: number = heads[0].layer;
  // @ts-expect-error: a layer is a number
  const wrong: string = layer;
  return step.value;
}
`,
  );
  const tsc = path.join(checkout, 'node_modules/typescript/bin/tsc');
  const target = ['--target', 'es2022', '--module', 'node16', '--moduleResolution', 'node16'];
  run(process.execPath, tsc, '--noEmit', '--strict', ...target, 'use.ts');
});

test('the command tells its version, analyses a model and selects heads', () => {
  expect(hifi('--version')).toBe(`${manifest.version}\n`);
  const data = path.join(fixtures, 'tiny-data/train.tsv');
  const words = ['--model', path.join(fixtures, 'tiny-bert'), '--data', data, '--text-columns', 'sentence'];
  hifi('analyze', ...words, '--samples', '4', '--device', 'cpu', '--out', 'analysis');
  hifi('select', '--heads', 'analysis/heads.json', '--k', '1', '--out', 'mask.json');
  const { model, heads } = JSON.parse(fs.readFileSync(path.join(app, 'mask.json'), 'utf8'));
  expect(model.name).toBe('tiny-bert');
  expect(heads.length).toBeGreaterThan(0);
});
