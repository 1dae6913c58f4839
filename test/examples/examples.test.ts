import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { demoData } from '../../cli/demo/grammar';
import { blocksOf } from '../docs/page';
import { checkout, packedProject, withoutHook } from '../support/packed';

/*
 * Runs the examples and README.md's library code like a reader: in a project with the package,
 * compiled strictly to ES modules and run by Node.
 */
const { folder: app, tsc } = packedProject();
const fixtures = path.join(checkout, 'test/fixtures');
const model = path.join(fixtures, 'tiny-bert');
const [trainFile, devFile] = ['train', 'dev'].map((name) => path.join(fixtures, `tiny-data/${name}.tsv`));
const children = new Set<ChildProcess>();

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

function start(name: string, ...args: string[]) {
  const child = spawn(process.execPath, [`build/${name}.mjs`, ...args], { cwd: app, env: withoutHook() });
  children.add(child);
  const printed = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (printed.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (printed.stderr += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (status) => {
      children.delete(child);
      resolve({ status, ...printed });
    });
  });
  /** Waits for a text in the output, and returns the output. */
  const waitFor = (what: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => what.test(printed.stdout) && resolve(printed.stdout);
      child.stdout.on('data', look);
      child.once('close', () => reject(new Error(`${name} ended before ${what}: ${printed.stdout}${printed.stderr}`)));
      look();
    });
  return { child, ended, waitFor };
}

/** Runs an example and expects success. @returns its lines */
async function lines(name: string, ...args: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await start(name, ...args).ended;
  if (status !== 0) throw new Error(`${name}: status ${status}\n${stderr}${stdout}`);
  return stdout.trimEnd().split('\n');
}

const json = (...names: string[]) => JSON.parse(fs.readFileSync(path.join(app, ...names), 'utf8'));

beforeAll(() => {
  fs.cpSync(path.join(checkout, 'examples'), app, { recursive: true });
  const readme = blocksOf(path.join(checkout, 'README.md')).filter(({ kind }) => kind === 'ts');
  expect(readme).toHaveLength(1);
  fs.writeFileSync(path.join(app, 'readme.mts'), readme[0].body);
  const sources = fs.readdirSync(app).filter((name) => name.endsWith('.mts'));
  tsc('--module', 'node16', '--moduleResolution', 'node16', '--outDir', 'build', ...sources);
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  fs.rmSync(app, { recursive: true });
});

test('analyze prints matrices of all heads', async () => {
  const printed = await lines('analyze', model);
  expect(printed[0]).toBe('tiny-bert: 2 layers of 5 heads, on 4 texts');
  const matrix = (title: RegExp) => {
    const at = printed.findIndex((line) => title.test(line));
    return printed.slice(at + 1, at + 3).map((line) => line.split(' ').map(Number));
  };
  const sum = (row: number[]) => row.reduce((all, value) => all + value, 0);
  for (const row of matrix(/^richness/)) for (const value of row) expect(value).toBeGreaterThanOrEqual(1);
  for (const title of [/^PageRank$/, /^PageRank, literal reading$/]) {
    const rows = matrix(title);
    expect(rows.map((row) => row.length)).toEqual([5, 5]);
    for (const row of rows) expect(sum(row)).toBeCloseTo(1, 2);
  }
  expect(matrix(/^PageRank$/)).not.toEqual(matrix(/literal reading/));
  expect(printed.find((line) => line.startsWith('correlation'))).toMatch(/ 0\.\d{3}$/);
});

test('tune evaluates, uses and exports the trained delta', async () => {
  const printed = await lines('tune', trainFile, devFile, 'tuned', model);
  const { best, metric, epochs } = json('tuned/metrics.json');
  expect(printed[0]).toMatch(/^2 heads, \d+\.\d\d % of the parameters$/);
  expect(epochs).toHaveLength(2);
  expect(printed).toContain(`best: epoch ${best.epoch}, ${metric} ${best.value}`);
  const evaluation = JSON.parse(printed.find((line) => line.startsWith('evaluation: '))!.slice('evaluation: '.length));
  expect(evaluation[metric]).toBeCloseTo(best.value, 6);
  expect(printed).toContainEqual(expect.stringMatching(/^\d+ tensors, labels 0 and 1$/));
  expect(printed.slice(-2)).toEqual([
    expect.stringMatching(/^The keys are here\. [01] \(-?\d+\.\d\d, -?\d+\.\d\d\)$/),
    expect.stringMatching(/^The keys is here\. [01] \(-?\d+\.\d\d, -?\d+\.\d\d\)$/),
  ]);
  const files = ['delta', 'heads.json', 'mask.json', 'metrics.json', 'onnx'];
  expect(fs.readdirSync(path.join(app, 'tuned')).sort()).toEqual(files);
});

test('classify keeps a model warm', async () => {
  const printed = await lines('classify', 'tuned/delta', model);
  expect(printed).toHaveLength(3);
  for (const line of printed) expect(line).toMatch(/^The keys? (are|is) here\. [01] 0\.\d\d, [01] 0\.\d\d$/);
});

test('job resumes after a cancellation, and reuses all results after that', async () => {
  const first = start('job', trainFile, 'job', model);
  await first.waitFor(/ANALYZING/);
  first.child.kill('SIGINT');
  const interrupted = await first.ended;
  expect(interrupted).toMatchObject({ status: 130, stderr: 'CANCELLED: cancelled\n' });
  expect(interrupted.stdout).toMatch(/^\d+ heads, \d+ bytes, about \d+ s\nQUEUED\nANALYZING\n/);
  expect(interrupted.stdout).not.toMatch(/SUCCEEDED/);

  const whole = await lines('job', trainFile, 'job', model);
  expect(whole).toEqual(expect.arrayContaining(['ANALYZING', 'TRAINING', 'EXPORTING', 'SUCCEEDED']));
  const bytes = fs
    .readdirSync(path.join(app, 'job/delta'))
    .map((name) => fs.statSync(path.join(app, 'job/delta', name)).size);
  const printed = Number(/(\d+) bytes/.exec(whole[0])![1]);
  expect(Math.abs(printed - bytes.reduce((a, b) => a + b)) / printed).toBeLessThan(0.01);
  expect(fs.existsSync(path.join(app, 'job/checkpoint/model.safetensors'))).toBe(true);
  expect(fs.readFileSync(path.join(app, 'job/report.html'), 'utf8')).toMatch(/tiny-bert/);

  const again = await lines('job', trainFile, 'job', model);
  for (const name of ['heads.json', 'mask.json', 'delta', 'metrics.json', 'checkpoint']) {
    expect(again).toContain(`  job/${name} (from before)`);
  }
  expect(again.at(-1)).toBe(whole.at(-1));
});

test('service has one process for all requests, which survives bad input and disconnects', async () => {
  const { child, ended, waitFor } = start('service', model);
  const [, port] = /port (\d+)/.exec(await waitFor(/port \d+\n/))!;
  const ask = async (body: string, signal?: AbortSignal) => {
    const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body, signal });
    return { status: response.status, content: (await response.json()) as Record<string, unknown> };
  };
  const texts = JSON.stringify({ texts: ['The keys are here.', 'The key is there.'] });
  const leaving = new AbortController();
  const left = ask(texts, leaving.signal);
  setTimeout(() => leaving.abort(), 50);
  await expect(left).rejects.toThrow();

  const both = await Promise.all([ask(texts), ask(texts)]);
  expect(both[0]).toMatchObject({ status: 200, content: { samples: 2 } });
  expect((both[0].content.pagerank as number[][]).map((row) => row.length)).toEqual([5, 5]);
  expect(both[1]).toEqual(both[0]);
  const bad = { status: 400, content: { code: 'INVALID_INPUT' } };
  expect(await ask('{')).toMatchObject(bad);
  expect(await ask('null')).toMatchObject(bad);
  expect(await ask('{"texts":[]}')).toMatchObject({ status: 400, content: { field: 'data.texts' } });
  expect(await ask('{"texts":["", "b"]}')).toMatchObject({
    status: 400,
    content: { field: 'data', message: expect.stringMatching(/^data: row 0/) },
  });
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ status: 0, stderr: '' });
});

test('the library code of README.md runs with its model', async () => {
  const rows = demoData(0).train.slice(0, 120);
  fs.writeFileSync(
    path.join(app, 'train.csv'),
    `text,label\n${rows.map(({ sentence, label }) => `"${sentence}",${label}\n`).join('')}`,
  );
  const printed = await lines('readme');
  expect(['acceptable', 'unacceptable']).toContain(printed.at(-1));
  expect(json('trained/metrics.json').epochs).toHaveLength(5);
  expect(fs.readdirSync(path.join(app, 'trained')).sort()).toEqual(['delta', 'metrics.json']);
});
