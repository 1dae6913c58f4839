import * as fs from 'node:fs';
import * as path from 'node:path';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { loadTensorFlow } from '../../infra/tensorflow';
import { type CalibrateRequest, calibrate, type TrainingCost } from '../../trainer/calibration';
import { temporaryFolder } from '../support/deltas';
import { devSentences, maskOf, model, sentences } from './runs';

const tf = loadTensorFlow();

async function costOf(heads: number[][], change: Partial<CalibrateRequest> = {}): Promise<TrainingCost> {
  const mask = await maskOf(heads);
  const options = { ...TRAIN_DEFAULTS, epochs: 3, batchSize: 8 };
  const before = tf.getNumOfTensors();
  const run = calibrate(tf, { model, train: sentences, dev: devSentences, mask, options, ...change });
  for (;;) {
    const { done, value } = await run.next();
    if (!done) continue;
    expect(tf.getNumOfTensors()).toBe(before);
    return value;
  }
}

test.each([
  ['all layers', [[0, 1], [2]], 3],
  ['the upper layer', [[], [1, 3]], 2],
  ['no head', [[], []], 0],
])('%s: sizes by their formulas, and a cost of every part', async (_, heads, count) => {
  const cost = await costOf(heads);
  expect(cost).toMatchObject({
    trainableParameters: count * (3 * 9 * 45 + 2 * 9),
    taskHeadParameters: 45 * 45 + 45 + 2 * 45 + 2,
    rows: { train: 60, dev: 40 },
    steps: 3 * 8,
  });
  for (const seconds of Object.values(cost.seconds)) expect(seconds).toBeGreaterThan(0);
});

test('a tenth is held out without dev rows; of many rows some are tokenized, all are counted', async () => {
  const folder = temporaryFolder('calibration');
  const file = path.join(folder, 'many.tsv');
  const [header, ...rows] = fs.readFileSync(sentences.path, 'utf8').trimEnd().split('\n');
  fs.writeFileSync(file, `${[header, ...Array(50).fill(rows).flat()].join('\n')}\n`);
  const cost = await costOf([[1], [1]], { train: { ...sentences, path: file }, dev: undefined });
  fs.rmSync(folder, { recursive: true });
  expect(cost).toMatchObject({ rows: { train: 2700, dev: 300 }, steps: 3 * Math.ceil(2700 / 8) });
});

test('a signal ends it', async () => {
  const controller = new AbortController();
  const mask = await maskOf([[1], [1]]);
  const request = { model, train: sentences, mask, options: TRAIN_DEFAULTS };
  const run = calibrate(tf, request, controller.signal);
  await run.next();
  controller.abort();
  await expect(run.next()).rejects.toMatchObject({ code: 'CANCELLED' });
});
