import * as fs from 'node:fs';
import * as path from 'node:path';
import { embed } from '../../analyzer/embed';
import { FIXTURES, temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('embed');
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
const data = { path: path.join(FIXTURES, 'tiny-data/train.tsv'), textColumns: ['sentence'], labelColumn: 'label' };

async function embedded(model: string, source: object, maxLength: number, signal?: AbortSignal) {
  const out = path.join(folder, `${path.basename(model)}.f32`);
  const request = {
    model: path.join(FIXTURES, model),
    data: { ...data, ...source },
    maxLength,
    device: 'cpu' as const,
  };
  const run = embed({ ...request, out }, signal);
  let step = await run.next();
  while (!step.done) step = await run.next();
  const numbers = new Float32Array(Uint8Array.from(fs.readFileSync(out)).buffer);
  return { ...step.value, numbers };
}

// Golden hidden states of some rows are transformers' in float64, see test/fixtures/oracle.py.
test.each(fs.readdirSync(path.join(FIXTURES, 'families')))('the mean of the last hidden states: %s', async (file) => {
  const golden = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'families', file), 'utf8'));
  const { rows, width, pairs, numbers } = await embedded(golden.model, {}, golden.maxLength);
  expect({ rows, pairs }).toEqual({ rows: 60, pairs: false });
  expect(numbers).toHaveLength(60 * width);
  const { hidden } = golden.analyses.train as { hidden: { row: number; states: number[][][] }[] };
  for (const { row, states } of hidden) {
    const tokens = states.at(-1)!;
    for (let i = 0; i < width; i++) {
      const mean = tokens.reduce((sum, token) => sum + token[i], 0) / tokens.length;
      expect(Math.abs(numbers[row * width + i] - mean)).toBeLessThan(1e-4);
    }
  }
});

test('each text of a pair is embedded by itself', async () => {
  const pairs = { path: path.join(FIXTURES, 'tiny-data/pairs.tsv'), textColumns: ['text_a', 'text_b'] };
  const both = await embedded('tiny-bert', { ...pairs, labelColumn: 'score', regression: true }, 32);
  expect(both).toMatchObject({ rows: 48, width: 45, pairs: true });
  const second = { ...pairs, textColumns: ['text_b'], labelColumn: 'score', regression: true };
  const alone = await embedded('tiny-bert', second, 32);
  expect(both.numbers.subarray(48 * 45)).toEqual(alone.numbers);
});

test('a signal ends it without a file', async () => {
  const controller = new AbortController();
  controller.abort();
  fs.rmSync(path.join(folder, 'tiny-bert.f32'), { force: true });
  await expect(embedded('tiny-bert', {}, 32, controller.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(fs.readdirSync(folder).filter((name) => name.startsWith('tiny-bert'))).toEqual([]);
});
