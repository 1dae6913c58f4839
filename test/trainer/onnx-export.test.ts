import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import { writeDelta } from '../../delta/delta';
import type { EvaluateRequest, EvaluateResult } from '../../delta/inference-options';
import { resultOf } from '../../foundation/follow';
import { openCheckpoint } from '../../model/checkpoint';
import { exportOnnx } from '../../trainer/onnx-export';
import { evaluate, predict } from '../../trainer/training-engine';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const temporary = temporaryFolder('onnx-engines');
afterAll(() => fs.rmSync(temporary, { recursive: true }));
const model = path.join(FIXTURES, 'tiny-bert');
const [delta, out] = [path.join(temporary, 'delta'), path.join(temporary, 'onnx')];
const data: DataSource = {
  path: path.join(FIXTURES, 'tiny-data/dev.tsv'),
  textColumns: ['sentence'],
  labelColumn: 'label',
};
const options = { batchSize: 8, maxLength: 64, device: 'cpu' as const };
const evaluated = (request: Omit<EvaluateRequest, 'options' | 'data'>): Promise<EvaluateResult> =>
  resultOf(evaluate({ ...request, data, options }));

it('exports a folder that has the metrics of base and delta, its task known, and takes no delta', async () => {
  const checkpoint = await openCheckpoint(model);
  const drawn = randomDelta(checkpoint, { heads: [[0], [1, 2]], labels: ['0', '1'], scale: 0.3 });
  checkpoint.close();
  writeDelta(delta, { ...drawn, info: { ...drawn.info, task: 'cola' } });
  await exportOnnx({ model, delta, out });
  const found = await evaluated({ model: out });
  const expected = await evaluated({ model, delta });
  expect(found).toEqual({ ...expected, loss: found.loss });
  expect(found).toMatchObject({ task: 'cola', metric: 'matthews' });
  expect(found.loss).toBeCloseTo(expected.loss, 5);
  expect(() => predict({ model: out, delta, data, options })).toThrow(/leave out the delta/);
});

it('leaves nothing where it is told to end', async () => {
  const told = exportOnnx({ model, delta, out: path.join(temporary, 'cut') }, AbortSignal.timeout(1));
  await expect(told).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(fs.readdirSync(temporary).filter((name) => name.includes('cut'))).toEqual([]);
});
