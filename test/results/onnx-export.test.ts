import * as fs from 'node:fs';
import * as path from 'node:path';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { logitsOnnx } from '../../results/engine';
import { exportOnnx, resultOf } from '../../results/onnx-export';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const temporary = temporaryFolder('onnx-check');
let checkpoint: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(path.join(FIXTURES, 'tiny-bert'));
});
afterAll(() => {
  checkpoint.close();
  fs.rmSync(temporary, { recursive: true });
});

const delta = () => randomDelta(checkpoint, { heads: [[0], [4]], labels: ['0', '1'], scale: 0.1 });
const names = () => fs.readdirSync(temporary);

it('writes nothing where the file does not answer as the trainer does', async () => {
  const out = path.join(temporary, 'wrong');
  const reference = async (rows: readonly unknown[]) => ({
    values: new Float32Array(2 * rows.length).fill(9),
    outputs: 2,
  });
  await expect(exportOnnx({ checkpoint, delta: delta(), out, reference })).rejects.toMatchObject({
    code: 'FAILED',
    message: expect.stringMatching(/^the ONNX model is not exact, so it was not written: row 0 of the check/),
  });
  expect(names()).toEqual([]);
});

it('fills in what transformers.js needs of a tokenizer and the base leaves open', async () => {
  const base = path.join(temporary, 'base');
  fs.cpSync(path.join(FIXTURES, 'tiny-bert'), base, { recursive: true });
  fs.rmSync(path.join(base, 'tokenizer_config.json'));
  const bare = await openCheckpoint(base);
  const out = path.join(temporary, 'out');
  const seen: number[] = [];
  await exportOnnx({
    checkpoint: bare,
    delta: delta(),
    out,
    reference: (rows) => {
      seen.push(...rows.map(({ ids }) => ids.length));
      const options = { batchSize: 1, maxLength: 64, device: 'cpu' as const };
      const [hidden] = names().filter((name) => name.startsWith('.out'));
      return resultOf(logitsOnnx({ folder: path.join(temporary, hidden), rows, options }));
    },
  });
  bare.close();
  expect(Math.max(...seen)).toBe(64);
  expect(Math.min(...seen)).toBeLessThan(5);
  expect(JSON.parse(fs.readFileSync(path.join(out, 'tokenizer_config.json'), 'utf8'))).toEqual({
    tokenizer_class: 'BertTokenizer',
    pad_token: '[PAD]',
    model_max_length: 64,
  });
});
