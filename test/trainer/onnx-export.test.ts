import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import { writeDelta } from '../../delta/delta';
import type { EvaluateRequest, EvaluateResult } from '../../delta/inference-options';
import { follow } from '../../foundation/follow';
import { openCheckpoint } from '../../model/checkpoint';
import { evaluate, exportModel, predict } from '../../trainer/training-engine';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';
import { descendantsOf, signalTo } from '../support/services';
import { until } from '../support/until';

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
const resultOf = <T>(events: AsyncGenerator<unknown, T>) => follow(events, () => {});
const evaluated = (request: Omit<EvaluateRequest, 'options' | 'data'>): Promise<EvaluateResult> =>
  resultOf(evaluate({ ...request, data, options }));
const exported = (name: string, signal?: AbortSignal) => {
  const evaluation = { data, options };
  const request = { format: 'onnx' as const, model, delta, evaluation, out: path.join(temporary, name) };
  return resultOf(exportModel(request, signal));
};
/** A result but its losses, which two engines round differently. */
const withoutLosses = ({ loss: _, errorAnalysis, ...result }: EvaluateResult) => ({
  ...result,
  errors: { ...errorAnalysis, worst: errorAnalysis.worst.map(({ loss: _, ...row }) => row) },
});
/** Folders that a failed export left, its own or a staged one; there must be none. */
const left = () => fs.readdirSync(temporary).filter((name) => !['delta', 'onnx'].includes(name));

beforeAll(async () => {
  const checkpoint = await openCheckpoint(model);
  const drawn = randomDelta(checkpoint, { heads: [[0], [1, 2]], labels: ['0', '1'], scale: 0.3 });
  checkpoint.close();
  writeDelta(delta, { ...drawn, info: { ...drawn.info, task: 'cola' } });
});

it('exports a folder with the metrics of base and delta, in engines that start no process', async () => {
  const engines = new Set<number>();
  const below: number[] = [];
  const watch = setInterval(() => {
    for (const engine of descendantsOf(process.pid)) {
      engines.add(engine);
      below.push(...descendantsOf(engine));
    }
  }, 20);
  const { onnx } = await exported('onnx').finally(() => clearInterval(watch));
  expect(below).toEqual([]);
  // Engines for the files, the trainer's logits, the files' logits, and the dev rows.
  expect(engines.size).toBe(4);
  const found = await evaluated({ model: out });
  const expected = await evaluated({ model, delta });
  expect(withoutLosses(found)).toEqual(withoutLosses(expected));
  expect(found).toMatchObject({ task: 'cola', metric: 'matthews' });
  expect(found.loss).toBeCloseTo(expected.loss, 5);
  expect(onnx).toMatchObject([{ dtype: 'fp32', dev: { ...found.metrics, loss: found.loss } }]);
  expect(() => predict({ model: out, delta, data, options })).toThrow(/leave out the delta/);
});

it('leaves nothing when its signal is aborted', async () => {
  const leaving = new AbortController();
  const aborted = expect(exported('aborted', leaving.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
  await until(left, (names) => names.length > 0, 'a staged folder');
  leaving.abort();
  await aborted;
  expect(left()).toEqual([]);
});

it('leaves no files and no engine when an engine is killed', async () => {
  const lost = expect(exported('killed')).rejects.toMatchObject({ code: 'ENGINE_LOST' });
  await until(left, (names) => names.length > 0, 'a staged folder');
  const [engine] = await until(
    () => descendantsOf(process.pid),
    (engines) => engines.length > 0,
    'an engine',
  );
  signalTo(engine, 'SIGKILL');
  await lost;
  expect(left()).toEqual([]);
  expect(descendantsOf(process.pid)).toEqual([]);
});
