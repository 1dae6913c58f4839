import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Prediction } from '../../delta/inference-options';
import type { Block } from './page';
import { takePictures } from './pictures';
import { checkout, differences, PYTORCH, pageOf, pythonWith, Reader, withPyTorch } from './reader';

/*
 * Runs docs/own-data.md, docs/steps.md and docs/load.md in one folder like a reader: all blocks, in
 * order and as written. Programs run as files, and their numbers equal those of `hifi predict`.
 * README's Python program is here for its packages.
 */
const reader = new Reader();
afterAll(() => reader.remove());

/** True if the page has only blocks of known kinds. */
const others = (page: readonly Block[], kinds: readonly string[]) =>
  page.filter(({ kind }) => !kinds.includes(kind)).map(({ kind, line }) => `${line}: ${kind}`);

test.each(['docs/own-data.md', 'docs/report.md', 'docs/steps.md'])(
  '%s',
  async (name) => {
    const page = pageOf(name);
    expect(others(page, ['sh', 'text'])).toEqual([]);
    const blocks = page.filter(({ kind }) => kind === 'sh');
    expect(differences(name, page, blocks, await reader.run(name, blocks))).toBe('');
  },
  600_000,
);

test('the pictures of docs/report.md can be taken', async () => {
  const names = await takePictures(reader.at('out/report.html'), reader.at('pictures'));
  const pictures = path.join(checkout, 'docs/pictures');
  expect(names.sort()).toEqual(fs.readdirSync(pictures).sort());
  for (const file of names.map((name) => path.join(pictures, name)))
    expect(fs.statSync(file).size).toBeLessThan(200_000);
  const page = fs.readFileSync(path.join(checkout, 'docs/report.md'), 'utf8');
  for (const name of names) expect(page).toContain(`](pictures/${name})`);
});

describe('docs/load.md', () => {
  const name = 'docs/load.md';
  const page = pageOf(name);

  test('all commands succeed, and their predictions agree', async () => {
    expect(others(page, ['sh', 'sh packages', 'text', 'python', 'js'])).toEqual([]);
    const blocks = page.filter(({ kind }) => kind === 'sh');
    expect(differences(name, page, blocks, await reader.run(name, blocks))).toBe('');
    for (const file of ['of-checkpoint.jsonl', 'of-onnx.jsonl']) {
      const distances = predictions(file).map((row, i) => {
        expect(row.label).toBe(predictions()[i].label);
        return Math.max(...row.logits.map((logit, at) => Math.abs(logit - predictions()[i].logits[at])));
      });
      expect(Math.max(...distances)).toBeLessThan(1e-4);
    }
  }, 300_000);

  const [inPython, inJavaScript] = ['python', 'js'].map((kind) => page.filter((block) => block.kind === kind));
  test.each(inJavaScript)('the program in line $line prints the predictions of `hifi predict`', runs, 120_000);

  withPyTorch('with the packages of Python', () => {
    beforeAll(async () => {
      Object.assign(reader.env, await pythonWith(PYTORCH, PYTORCH, reader.folder));
      await reader.run(name, [{ kind: 'sh', body: PYTORCH, line: 0 }]);
    }, 1_500_000);

    test.each(inPython)('the program in line $line prints the predictions of `hifi predict`', runs, 120_000);

    test("README's Python loads the checkpoint", async () => {
      const blocks = pageOf('README.md').filter(({ kind }) => kind === 'python');
      expect(blocks.length).toBeGreaterThan(0);
      for (const { body, line } of blocks) {
        fs.writeFileSync(reader.at('program.py'), `${body}\nprint(sorted(classify.model.config.id2label.values()))\n`);
        const { status, printed } = await reader.bash('python3 program.py');
        expect([line, status, printed]).toEqual([line, 0, expect.stringContaining("['delivery', 'fault', 'payment']")]);
      }
    }, 120_000);
  });

  /** Expects a program to print the predictions of `hifi predict`. */
  async function runs(program: Block): Promise<void> {
    const file = program.kind === 'python' ? 'program.py' : 'program.mjs';
    fs.writeFileSync(reader.at(file), program.body);
    const command = `${program.kind === 'python' ? 'python3' : 'node'} ${file} 2> program.log || { cat program.log; false; }`;
    const [printed] = await reader.run(name, [{ ...program, body: command }]);
    expect(differences(name, page, [program], [printed])).toBe('');

    const printedRows = printed
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' '));
    const expected = predictionsFor(program);
    expect(printedRows.map(([label]) => label)).toEqual(expected.map(({ label }) => label));
    for (const [i, [, ...numbers]] of printedRows.entries()) {
      const values = numbers.length > 1 ? expected[i].logits : [score(expected[i].logits)];
      expect(numbers).toHaveLength(values.length);
      // Programs print four digits.
      for (const [at, value] of values.entries()) expect(Math.abs(Number(numbers[at]) - value)).toBeLessThan(2e-4);
    }
  }
});

const predictions = (file = 'predictions.jsonl') =>
  fs
    .readFileSync(reader.at(file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Prediction);

/** Predictions for the texts that a program contains, or reads from new.csv. */
function predictionsFor({ body }: Block): Prediction[] {
  const texts = fs.readFileSync(reader.at('new.csv'), 'utf8').trim().split('\n').slice(1);
  expect(predictions()).toHaveLength(texts.length);
  return predictions().filter((_, i) => body.includes('"new.csv"') || body.includes(texts[i].replace(/,\w+$/, '')));
}

/** Largest probability of a softmax. */
const score = (logits: readonly number[]) =>
  1 / logits.reduce((sum, logit) => sum + Math.exp(logit - Math.max(...logits)), 0);
