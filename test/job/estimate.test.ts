import type { TrainingCost } from '../../delta/training-cost';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import type { StageProgress } from '../../foundation/progress';
import type { AnalysisCost } from '../../heads/analysis-cost';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import { SELECTION_DEFAULTS } from '../../heads/select';
import { type Calibrations, estimate, estimateOf, scoringToMeasure } from '../../job/estimate';
import type { JobSpec } from '../../job/job';

const rows = { path: 'rows.tsv' };
const spec: JobSpec = {
  model: 'm',
  train: rows,
  analysis: ANALYSIS_DEFAULTS,
  selection: SELECTION_DEFAULTS,
  training: { ...TRAIN_DEFAULTS, epochs: 4 },
  exports: [],
  onnxDtypes: ['fp32'],
};
const analysis: AnalysisCost = { sequences: 300, measured: 64, seconds: 5, peakBytes: 700 };
const training: TrainingCost = {
  heads: 3,
  trainableParameters: 40,
  taskHeadParameters: 9,
  totalParameters: 180e6,
  deltaBytes: 1234,
  rows: { train: 90, dev: 10 },
  steps: 12,
  seconds: { preparation: 1, steps: 20, evaluation: 8 },
  peakBytes: 900,
};

test('an estimate is the sizes as measured, the larger memory, and the times with their sum', () => {
  expect(estimateOf(spec, analysis, training)).toEqual({
    heads: 3,
    trainableParameters: 40,
    taskHeadParameters: 9,
    totalParameters: 180e6,
    share: 40 / 180e6,
    deltaBytes: 1234,
    peakMemoryBytes: 900,
    seconds: { analysis: 5, training: 21, evaluation: 8, export: 0, total: 34 },
    steps: 12,
    rows: { train: 90, dev: 10 },
  });
});

test('scores and exports take their time; each ONNX file is evaluated as an epoch is', () => {
  const exported: JobSpec = { ...spec, exports: ['checkpoint', 'onnx'], onnxDtypes: ['fp32', 'q8'] };
  const scored = { ...training, seconds: { scoring: 3, ...training.seconds }, peakBytes: 600 };
  const { seconds, peakMemoryBytes } = estimateOf(exported, analysis, scored);
  // 4 + 4 + 1.2 bytes a parameter at 180 MB/s, and two evaluations of 8 / 4 s.
  expect(seconds.export).toBeCloseTo(9.2 + 4, 10);
  expect(seconds).toMatchObject({ analysis: 5, scoring: 3, training: 21, evaluation: 8 });
  expect(seconds.total).toBeCloseTo(5 + 3 + 21 + 8 + 13.2, 10);
  expect(peakMemoryBytes).toBe(700);
});

test('a scoring has as many sequences as the analysis may draw', () => {
  const { maxLength, seed, device } = { ...TRAIN_DEFAULTS, maxLength: ANALYSIS_DEFAULTS.maxLength };
  expect(scoringToMeasure(spec)).toEqual({ samples: 300, tune: 'qkv', maxLength, seed, device });
  const auto = { ...spec, analysis: { ...ANALYSIS_DEFAULTS, samples: 'auto' as const, maxSamples: 70 } };
  expect(scoringToMeasure(auto).samples).toBe(70);
});

const progressOf = (stage: string): StageProgress => ({ kind: 'progress', stage, done: 1, total: 1, unit: '' });

test('measures the analysis, then the training, and reports the progress of both', async () => {
  const calibrations: Calibrations = {
    async *analysis() {
      yield progressOf('measure');
      return analysis;
    },
    async *training() {
      yield progressOf('calibrate');
      return training;
    },
  };
  const stages: string[] = [];
  for await (const { stage } of estimate(spec, calibrations)) stages.push(stage);
  expect(stages).toEqual(['measure', 'calibrate']);
});

test('a signal between the two ends it', async () => {
  const leaving = new AbortController();
  const calibrations: Calibrations = {
    // biome-ignore lint/correctness/useYield: it emits no events
    async *analysis() {
      leaving.abort();
      return analysis;
    },
    training() {
      throw new Error('the training was measured');
    },
  };
  await expect(estimate(spec, calibrations, leaving.signal).next()).rejects.toMatchObject({ code: 'CANCELLED' });
});
