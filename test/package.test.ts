import * as fs from 'node:fs';
import * as path from 'node:path';
import { manifest, packedProject } from './support/packed';

/*
 * Checks the package of `npm pack` in a project elsewhere. It does not check npm's own work in an
 * install from a registry; native.test.ts and setup.test.ts check the set-up of the native parts.
 */
const fixtures = path.join(__dirname, 'fixtures');
const { folder: app, installed, run, tsc } = packedProject();
const hifi = (...words: string[]) => run(path.join(installed, manifest.bin.hifi), ...words);
afterAll(() => fs.rmSync(app, { recursive: true }));

/** Names of all exports. */
const NAMES = [
  'ANALYSIS_DEFAULTS',
  'Analyzer',
  'Classifier',
  'EXPORT_FORMATS',
  'HEAD_ROLES',
  'HifiError',
  'JOB_PATH',
  'NEURON_SCORE_STRATEGIES',
  'ONNX_DTYPES',
  'PROBLEM_TYPES',
  'RANKING_DEFAULTS',
  'SCORE_DEFAULTS',
  'SCORE_STRATEGIES',
  'SELECTION_DEFAULTS',
  'STRATEGIES',
  'TRAIN_DEFAULTS',
  'ablate',
  'analyze',
  'estimate',
  'evaluate',
  'exportModel',
  'predict',
  'rank',
  'readDelta',
  'readHeads',
  'readMask',
  'readMetrics',
  'readScores',
  'renderReport',
  'resolveModel',
  'runJob',
  'score',
  'select',
  'train',
  'undoCheckpoint',
  'writeJson',
  'writeReport',
];

test('the package has the build, its types, the contract and the legal texts, and nothing else', () => {
  const files = fs.readdirSync(installed, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    return entry.isFile() ? [path.relative(installed, path.join(entry.parentPath, entry.name))] : [];
  });
  const rest = files.filter(
    (file) => !/^dist\/.*(\.js|\.d\.ts)$|^proto\/(hifi\/v1|google\/rpc)\/\w+\.proto$/.test(file),
  );
  expect(rest.sort()).toEqual(['LICENSE', 'README.md', 'THIRD_PARTY.md', 'package.json']);
  expect(files).toContain('proto/hifi/v1/gateway.proto');
  expect(files).toEqual(expect.arrayContaining([manifest.main, manifest.types, manifest.bin.hifi]));
  expect(files.filter((file) => /(^|\/)(test|bench|examples)\/|\.test\./.test(file))).toEqual([]);
});

test('require and import give the exported names, and no inner module', () => {
  const print = (library: string) => `console.log(Object.keys(${library}).join(' '))`;
  expect(run(process.execPath, '-e', print(`require('${manifest.name}')`)).split(/\s+/)).toEqual(
    expect.arrayContaining(NAMES),
  );
  const named = `import * as all from '${manifest.name}';\nimport { ${NAMES.join(', ')} } from '${manifest.name}';`;
  fs.writeFileSync(path.join(app, 'named.mjs'), `${named}\n${print('all')};\nif (analyze !== all.analyze) throw 1;\n`);
  const names = run(process.execPath, 'named.mjs').trim().split(' ');
  // Node itself adds some names to a CommonJS package.
  expect(names.filter((name) => !['__esModule', 'default', 'module.exports'].includes(name)).sort()).toEqual(NAMES);
  const inside = `try { require('${manifest.name}/dist/errors.js') } catch (error) { console.log(error.code) }`;
  expect(run(process.execPath, '-e', inside)).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED\n');
});

const USE = `import { analyze, type HeadReport, select, train } from '${manifest.name}';
export async function chosen(model: string): Promise<HeadReport> {
  const run = analyze({ model, data: { texts: ['a text'] } }, { signal: AbortSignal.timeout(1000) });
  for await (const event of run) {
    if (event.kind === 'progress') event.done satisfies number;
    // @ts-expect-error: an analysis emits progress and warnings, no epochs
    if (event.kind === 'epoch') return run;
  }
  const report = await run;
  const { heads } = select(report, { strategy: 'hifi', k: 3 });
  const layer: number = heads[0].layer;
  // @ts-expect-error: a layer is a number
  const wrong: string = layer;
  // @ts-expect-error: a training needs a mask
  train({ model, train: { path: 'train.tsv', task: 'cola' }, out: 'out' });
  return run;
}
`;

test.each([
  ['use.cts', 'node16', 'node16'],
  ['use.mts', 'nodenext', 'nodenext'],
  ['use.ts', 'esnext', 'bundler'],
])('its types compile strictly, in a project that has no others: %s, module %s, resolution %s', (file, ...module) => {
  fs.writeFileSync(path.join(app, file), USE);
  tsc('--noEmit', '--module', module[0], '--moduleResolution', module[1], file);
});

test('the command prints its version, analyzes a model and selects heads', () => {
  expect(hifi('--version')).toBe(`${manifest.version}\n`);
  const data = path.join(fixtures, 'tiny-data/train.tsv');
  const words = ['--model', path.join(fixtures, 'tiny-bert'), '--data', data, '--text-columns', 'sentence'];
  hifi('analyze', ...words, '--samples', '4', '--device', 'cpu', '--out', 'analysis');
  hifi('select', '--heads', 'analysis/heads.json', '--k', '1', '--out', 'mask.json');
  const { model, heads } = JSON.parse(fs.readFileSync(path.join(app, 'mask.json'), 'utf8'));
  expect(model.name).toBe('tiny-bert');
  expect(heads.length).toBeGreaterThan(0);
});
