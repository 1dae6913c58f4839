import * as fs from 'node:fs';
import * as path from 'node:path';
import { SCORE_DEFAULTS } from '../../delta/score-options';
import type { CalibrateRequest, TrainingCost } from '../../delta/training-cost';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { SELECTION_DEFAULTS, type SelectionOptions } from '../../heads/select';
import { loadTensorFlow } from '../../infra/tensorflow';
import { calibrateScoring } from '../../trainer/scoring-calibration';
import { calibrate } from '../../trainer/training-calibration';
import { drain } from '../analyzer/run';
import { temporaryFolder } from '../support/deltas';
import { devSentences, model, sentences } from './runs';

const tf = loadTensorFlow();
const folder = temporaryFolder('calibration');
afterAll(() => fs.rmSync(folder, { recursive: true }));
/** 3,000 rows. */
const many = { ...sentences, path: path.join(folder, 'many.tsv') };
const [header, ...rows] = fs.readFileSync(sentences.path, 'utf8').trimEnd().split('\n');
fs.writeFileSync(many.path, `${[header, ...Array(50).fill(rows).flat()].join('\n')}\n`);

const requestFor = (selection: Partial<SelectionOptions>, change: Partial<CalibrateRequest> = {}) => ({
  model,
  train: sentences,
  dev: devSentences,
  selection: { ...SELECTION_DEFAULTS, ...selection },
  options: { ...TRAIN_DEFAULTS, epochs: 3, batchSize: 8 },
  scoring: SCORE_DEFAULTS,
  ...change,
});

async function costOf(selection: Partial<SelectionOptions>, change?: Partial<CalibrateRequest>): Promise<TrainingCost> {
  const before = tf.getNumOfTensors();
  const { result } = await drain(calibrate(tf, requestFor(selection, change)));
  expect(tf.getNumOfTensors()).toBe(before);
  return result;
}

test.each<[string, Partial<SelectionOptions>, number]>([
  ['all layers', { strategy: 'random', k: 2 }, 4],
  ['the upper layer', { strategy: 'hifi-mid-top', k: 2 }, 2],
  ['no head', { strategy: 'none' }, 0],
])('%s: computes the sizes and measures the cost of every part', async (_, selection, count) => {
  const cost = await costOf(selection);
  expect(cost).toMatchObject({
    heads: count,
    trainableParameters: count * (3 * 9 * 45 + 2 * 9),
    taskHeadParameters: 45 * 45 + 45 + 2 * 45 + 2,
    rows: { train: 60, dev: 40 },
    steps: 3 * 8,
  });
  for (const seconds of Object.values(cost.seconds)) expect(seconds).toBeGreaterThan(0);
  expect(cost.peakBytes).toBeGreaterThan(process.memoryUsage.rss() / 2);
});

test('holds out a tenth without dev rows; tokenizes a part of many rows and counts all', async () => {
  const cost = await costOf({ strategy: 'random', k: 1 }, { train: many, dev: undefined });
  expect(cost).toMatchObject({ rows: { train: 2700, dev: 300 }, steps: 3 * Math.ceil(2700 / 8) });
  expect(cost.peakBytes).toBe(Math.ceil(cost.peakBytes)); // a message has it as uint64
});

test('ends when its signal is aborted', async () => {
  const controller = new AbortController();
  const run = calibrate(tf, requestFor({}), controller.signal);
  await run.next();
  controller.abort();
  await expect(run.next()).rejects.toMatchObject({ code: 'CANCELLED' });
});

test.each<[SelectionOptions['strategy'], number, string[]]>([
  ['gradient', 64, ['warm-up', 'prefix', 'score']],
  // It trains half an epoch: its warm-up is that of gradient, its steps are calibrated.
  ['movement', 64, ['warm-up', 'prefix', 'score', 'calibrate']],
])('measures the scoring of %s on a part of its sample', async (strategy, sequences, stages) => {
  const before = tf.getNumOfTensors();
  const request = requestFor(
    { strategy },
    { train: many, scoring: { ...SCORE_DEFAULTS, samples: 300, maxLength: 32 } },
  );
  const { events, result } = await drain(calibrateScoring(tf, request));
  expect(tf.getNumOfTensors()).toBe(before);
  expect(new Set(events.map(({ stage }) => stage))).toEqual(new Set(stages));
  expect(events.find(({ stage }) => stage === 'score')?.total).toBe(sequences);
  const last = events.filter(({ stage }) => stage === 'score').at(-1);
  expect(last).toMatchObject({ done: sequences, total: sequences });
  expect(result.seconds).toBeGreaterThan(0);
  expect(result.peakBytes).toBeGreaterThan(0);
});
