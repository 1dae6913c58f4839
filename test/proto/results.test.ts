import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { type NamedProblem, PROBLEM_TYPES } from '../../data/problem';
import type { Prediction } from '../../delta/inference-options';
import type { OnnxModel } from '../../delta/onnx-folder';
import type { EpochMetrics, RateChoice, TrainEvent, TrainMetrics } from '../../delta/training-options';
import type { StageProgress } from '../../foundation/progress';
import type { HeadScores } from '../../heads/scores';
import { ONNX_DTYPES } from '../../model/onnx-dtype';
import { artifactMessage, artifactOf } from '../../proto/artifact';
import { datasetMessage, givenRowsOf } from '../../proto/dataset';
import { ArtifactSchema } from '../../proto/gen/hifi/v1/artifact_pb';
import { TextDatasetSchema } from '../../proto/gen/hifi/v1/dataset_pb';
import { ProgressSchema } from '../../proto/gen/hifi/v1/progress_pb';
import {
  EvaluateResponseSchema,
  HeadScoresSchema,
  PredictionsSchema,
  TrainingResultSchema,
  TrainResponseSchema,
} from '../../proto/gen/hifi/v1/trainer_pb';
import { progressMessage, progressOf } from '../../proto/progress';
import { scoresMessage, scoresOf } from '../../proto/scores';
import { outcomeMessage, outcomeOf, trainEventMessage, trainEventOf } from '../../proto/training';
import { evaluationMessage, evaluationOf, predictionsMessage, predictionsOf } from '../../trainer/prediction-message';
import { sampleScores } from '../job/sample-results';
import { crossed } from './crossing';
import { errorAnalyses } from './drawn-errors';

test('bytes beyond what a message can count become megabytes', () => {
  const bytes = { kind: 'progress' as const, stage: 'download', done: 4_294_967_296, unit: 'bytes' };
  const sent = crossed(ProgressSchema, progressMessage({ ...bytes, total: 8_044_982_000, rate: 2e6 }));
  expect(progressOf(sent)).toEqual({ ...bytes, done: 4294, total: 8045, unit: 'MB', rate: 2 });
  const most = { ...bytes, done: 1, total: 2 ** 32 - 1 };
  expect(progressOf(crossed(ProgressSchema, progressMessage(most)))).toEqual(most);
});

const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const count = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const text = fc.string({ unit: 'grapheme' });
const metrics = fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), number).map((each) => ({ ...each }));
const artifact = fc.record({
  name: text,
  sha256: fc.constant('ab'.repeat(32)),
  sizeBytes: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
});
const epoch = fc.record(
  {
    ...{ epoch: count, trainLoss: number, dev: metrics, seconds: number },
    thresholds: fc.array(number, { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: ['epoch', 'trainLoss', 'dev', 'seconds'] },
) as fc.Arbitrary<EpochMetrics>;
const onnx: fc.Arbitrary<OnnxModel> = fc
  .record({
    dtype: fc.constantFrom(...ONNX_DTYPES),
    file: text,
    bytes: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    largestDifference: number,
    dev: metrics,
  })
  .map(({ dev, ...model }) => ({ ...model, ...(Object.keys(dev).length > 0 && { dev }) }));
const rate: fc.Arbitrary<RateChoice> = fc.record({
  lr: number,
  reason: text,
  tried: fc.array(fc.record({ lr: number, loss: fc.option(number) })),
  rows: count,
  seconds: number,
});
const files = fc.oneof(
  fc.constant({}),
  count.map((devDuplicates) => ({ devDuplicates })),
  errorAnalyses.map((errorAnalysis) => ({ errorAnalysis })),
  rate.map((learningRate) => ({ learningRate })),
  fc.array(onnx, { minLength: 1 }).map((each) => ({ onnx: each })),
  fc.constant({ precision: 'bf16' as const }),
);
const trained: fc.Arbitrary<TrainMetrics> = fc
  .record({
    task: fc.option(text),
    metric: text,
    best: fc.record({ epoch: count, value: number }),
    resumedFromStep: fc.option(count),
    epochs: fc.array(epoch),
    trainableParameters: count,
    taskHeadParameters: count,
    peakRssBytes: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    seed: count,
    deviceUsed: fc.constantFrom('cpu' as const, 'cuda' as const),
    files,
  })
  .map(({ files: exported, ...rest }) => ({ ...rest, ...exported }));
const progress = fc.record(
  {
    kind: fc.constant('progress' as const),
    stage: text,
    done: count,
    total: count,
    unit: text,
    rate: number,
    remainingSeconds: number,
    loss: number,
  },
  { requiredKeys: ['kind', 'stage', 'done', 'total', 'unit'] },
) as fc.Arbitrary<StageProgress>;

const same = <T>(drawn: fc.Arbitrary<T>, there: (value: T) => unknown) =>
  fc.assert(fc.property(drawn, (value) => expect(there(value)).toEqual(value)));

const entity = fc.record({ label: text, start: count, end: count, text, score: number });

/** Answers to a row of each problem, some with logits of their own. */
const answer = fc.oneof(
  fc.record({ label: fc.oneof(text, number) }),
  fc.record({ labels: fc.array(text), probabilities: fc.array(number, { minLength: 1 }) }),
  fc.record({ score: number }),
  fc.record({ tags: fc.array(text), logits: fc.constant([]) }),
  fc.record({ entities: fc.array(entity), logits: fc.constant([]) }),
);
const merged = ([row, answered]: [{ row: number; logits: number[] }, object]): Prediction => ({ ...row, ...answered });

describe('both conversions preserve', () => {
  it('progress', () => same(progress, (each) => progressOf(crossed(ProgressSchema, progressMessage(each)))));
  it('artifacts', () => same(artifact, (each) => artifactOf(crossed(ArtifactSchema, artifactMessage(each)))));
  it('events of a training', () =>
    same(
      fc.oneof(
        progress,
        fc.record({ kind: fc.constant('epoch' as const), epoch }),
        fc.record({ kind: fc.constant('checkpoint' as const), step: count }),
        fc.record({ kind: fc.constant('warning' as const), message: text }),
      ) as fc.Arbitrary<TrainEvent>,
      (event) => trainEventOf(crossed(TrainResponseSchema, trainEventMessage(event)!)),
    ));
  it('the outcome of a training', () =>
    same(fc.record({ metrics: trained, artifacts: fc.array(artifact) }), (outcome) =>
      outcomeOf(crossed(TrainingResultSchema, outcomeMessage(outcome))),
    ));
  it('predictions', () =>
    same(fc.array(fc.tuple(fc.record({ row: count, logits: fc.array(number) }), answer).map(merged)), (rows) =>
      predictionsOf(crossed(PredictionsSchema, predictionsMessage(rows))),
    ));
  it('tags of an older service, which marks no given words', () => {
    const message = create(PredictionsSchema, { predictions: [{ row: 0, tags: ['O'] }] });
    expect(predictionsOf(message)).toEqual([{ row: 0, tags: ['O'], logits: [] }]);
  });
  it('evaluations', () =>
    same(
      fc.record({
        task: fc.option(text),
        metric: text,
        rows: count,
        loss: number,
        metrics,
        errorAnalysis: errorAnalyses,
      }),
      (result) => evaluationOf(crossed(EvaluateResponseSchema, evaluationMessage(result))),
    ));
  it('rows of a request', () => {
    const column = fc.string({ unit: 'grapheme', minLength: 1 });
    const columns = fc.record(
      {
        textColumns: fc.array(column, { minLength: 1, maxLength: 2 }),
        labelColumn: column,
        labelColumns: fc.array(column, { minLength: 1 }),
        labelSeparator: column,
        regression: fc.boolean(),
        problem: fc.constantFrom(...PROBLEM_TYPES),
        delimiter: column,
      },
      { requiredKeys: [] },
    );
    const agrees = ({ problem = 'regression', regression }: NamedProblem) => !regression || problem === 'regression';
    const files = fc.record({
      source: fc.oneof(
        fc.record({ kind: fc.constant('path' as const), path: column }),
        fc.record({ kind: fc.constant('artifact' as const), sha256: column, name: column }),
      ),
    });
    const inline = fc.array(fc.tuple(text, text, text), { minLength: 1 }).chain((rows) =>
      fc.record(
        {
          kind: fc.constant('inline' as const),
          texts: fc.constant(rows.map(([each]) => each)),
          secondTexts: fc.constant(rows.map(([, each]) => each)),
          labels: fc.constant(rows.map(([, , each]) => each)),
        },
        { requiredKeys: ['kind', 'texts'] },
      ),
    );
    const given = fc.oneof(
      fc.tuple(files, columns.filter(agrees)).map(([source, rest]) => ({ ...source, ...rest })),
      fc.tuple(files, fc.constant({ task: 'mnli' as const })).map(([source, rest]) => ({ ...source, ...rest })),
      fc.record({ source: inline }),
    );
    same(given, (rows) => givenRowsOf(crossed(TextDatasetSchema, datasetMessage(rows)), 'dataset'));
  });

  it.each([
    [{ problem: 'labels' }, 'train.problem', 'train.problem: no problem "labels"; there are single-label, multi-label'],
    [{ problem: 'single-label', regression: true }, 'train.regression', 'the problem single-label is given too'],
    [{ problem: 'regression', task: 'stsb' }, 'train.problem', 'is regression; it must be left out: the task stsb has'],
    [{ regression: true, task: 'stsb' }, 'train.regression', 'is true; it must be left out: the task stsb has'],
  ])('rows of no problem: %j', (given, field, message) => {
    const rows = create(TextDatasetSchema, { source: { case: 'path', value: 'a.tsv' }, ...given });
    expect(() => givenRowsOf(rows, 'train')).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field, message: expect.stringContaining(message) }),
    );
  });

  it('scores, of one sequence too, and without a task head', () => {
    const scores = sampleScores();
    const none = { ...scores, scoresStderr: scores.scores.map((row) => row.map(() => null)) };
    const headless: HeadScores = { ...none, strategy: 'contrast', warmUp: null };
    for (const each of [scores, none, headless]) {
      const message = crossed(HeadScoresSchema, scoresMessage({ scores: each, warnings: ['few'] }));
      expect(scoresOf(message)).toEqual({ scores: each, warnings: ['few'] });
    }
  });
});

it('an interval is not sent to clients', () => {
  expect(trainEventMessage({ kind: 'interval', name: 'load', from: 0, to: 1 })).toBeUndefined();
});
