import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import type { InferenceOptions } from '../../delta/inference-options';
import { SCORE_DEFAULTS, type ScoreOptions } from '../../delta/score-options';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../delta/training-options';
import type { HifiError } from '../../foundation/errors';
import { ANALYSIS_DEFAULTS, type AnalysisOptions, reportOptions } from '../../heads/analysis-options';
import { STRATEGIES } from '../../heads/mask';
import { SELECTION_DEFAULTS, type SelectionOptions } from '../../heads/select';
import { HEAD_TUNES } from '../../heads/tune';
import {
  AnalysisOptionsSchema,
  InferenceOptionsSchema,
  SelectionOptionsSchema,
  TrainingOptionsSchema,
} from '../../proto/gen/hifi/v1/options_pb';
import { ScoreOptionsSchema } from '../../proto/gen/hifi/v1/trainer_pb';
import {
  analysisMessage,
  analysisOptionsOf,
  inferenceMessage,
  inferenceOptionsOf,
  scoreMessage,
  scoreOptionsOf,
  selectionMessage,
  selectionOptionsOf,
  trainingMessage,
  trainingOptionsOf,
} from '../../proto/options';
import { crossed } from './crossing';

const count = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const device = fc.constantFrom('auto' as const, 'cpu' as const, 'cuda' as const);
const threads = fc.integer({ min: 1, max: 1024 });
const precision = fc.constantFrom('float32' as const, 'bf16' as const);
const share = fc.double({ min: 0, max: 1, noNaN: true, minExcluded: true });
const ranking = {
  correlation: fc.constantFrom('pearson' as const, 'covariance' as const),
  teleport: fc.constantFrom('richness' as const, 'uniform' as const),
  damping: fc.double({ min: 0, max: 1, noNaN: true, minExcluded: true, maxExcluded: true }),
  scope: fc.constantFrom('layer' as const, 'model' as const),
};
/** `threads` may be absent. */
const engine = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }, more: object = {}) =>
  fc.record({ ...model, device, threads, ...more }, { requiredKeys: [...Object.keys(model), 'device'] as never[] });
/** The same with `precision`, which may be absent too. */
const tensorFlow = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => engine(model, { precision });

const analysis = engine({
  samples: fc.oneof(count, fc.constant('auto' as const)),
  maxSamples: count,
  k: count,
  xi: share,
  maxLength: count,
  exact: fc.boolean(),
  seed,
  ...ranking,
}) as fc.Arbitrary<AnalysisOptions>;

const training = fc
  .tuple(
    tensorFlow({
      epochs: count,
      batchSize: count,
      lr: fc.oneof(share, fc.constant('auto' as const)),
      warmup: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
      weightDecay: fc.double({ min: 0, max: 10, noNaN: true }).map((value) => value + 0),
      maxLength: count,
      seed,
    }),
    fc.record(
      {
        earlyStopping: count,
        classWeights: fc.oneof(
          fc.constant('balanced' as const),
          fc.dictionary(fc.string({ unit: 'grapheme' }), share, { minKeys: 1 }).map((each) => ({ ...each })),
        ),
        labelSmoothing: share,
        threshold: share,
      },
      { requiredKeys: [] },
    ),
  )
  .map(([options, given]) => ({ ...options, ...given })) as fc.Arbitrary<TrainOptions>;

const selection = fc
  .tuple(
    fc.record({ strategy: fc.constantFrom(...STRATEGIES), tune: fc.constantFrom(...HEAD_TUNES), seed, ...ranking }),
    fc.oneof(fc.record({ k: count }), fc.record({ budget: share })),
  )
  .map(([options, size]) => ({ ...options, ...size })) as fc.Arbitrary<SelectionOptions>;

const same = <T>(options: fc.Arbitrary<T>, there: (options: T) => T) =>
  fc.assert(fc.property(options, (drawn) => expect(there(drawn)).toEqual(drawn)));

describe('options survive both conversions', () => {
  it('analysis', () =>
    same(analysis, (options) => analysisOptionsOf(crossed(AnalysisOptionsSchema, analysisMessage(options)))));
  it('analysis of a report', () =>
    same(analysis.map(reportOptions), (options) =>
      reportOptions(analysisOptionsOf(crossed(AnalysisOptionsSchema, analysisMessage(options)))),
    ));
  it('training', () =>
    same(training, (options) => trainingOptionsOf(crossed(TrainingOptionsSchema, trainingMessage(options)))));
  it('selection', () =>
    same(selection, (options) => selectionOptionsOf(crossed(SelectionOptionsSchema, selectionMessage(options)))));
  it('scoring', () =>
    same(
      tensorFlow({
        samples: count,
        tune: fc.constantFrom(...HEAD_TUNES),
        maxLength: count,
        seed,
      }) as fc.Arbitrary<ScoreOptions>,
      (options) => scoreOptionsOf(crossed(ScoreOptionsSchema, scoreMessage(options))),
    ));
  it('inference', () =>
    same(tensorFlow({ batchSize: count, maxLength: count }) as fc.Arbitrary<InferenceOptions>, (options) =>
      inferenceOptionsOf(crossed(InferenceOptionsSchema, inferenceMessage(options))),
    ));
});

it('an absent option has its default', () => {
  expect(analysisOptionsOf(undefined)).toEqual(ANALYSIS_DEFAULTS);
  expect(analysisOptionsOf(create(AnalysisOptionsSchema))).toEqual(ANALYSIS_DEFAULTS);
  expect(trainingOptionsOf(create(TrainingOptionsSchema))).toEqual(TRAIN_DEFAULTS);
  expect(selectionOptionsOf(create(SelectionOptionsSchema))).toEqual(SELECTION_DEFAULTS);
  expect(selectionOptionsOf(create(SelectionOptionsSchema, { budget: 0.1 }))).not.toHaveProperty('k');
  expect(scoreOptionsOf(create(ScoreOptionsSchema))).toEqual(SCORE_DEFAULTS);
  expect(inferenceOptionsOf(undefined)).toEqual({ batchSize: 32, maxLength: 128, device: 'auto' });
  expect(inferenceOptionsOf(undefined, { maxLength: 64 }).maxLength).toBe(64);
});

describe('an invalid option', () => {
  const error = (work: () => unknown): HifiError => {
    try {
      work();
    } catch (thrown) {
      return thrown as HifiError;
    }
    throw new Error('no error');
  };

  it.each<[() => unknown, string, string]>([
    [
      () => analysisOptionsOf(create(AnalysisOptionsSchema, { damping: 1 })),
      'options.damping',
      'options.damping is 1; it must be above 0 and below 1',
    ],
    [
      () => analysisOptionsOf(create(AnalysisOptionsSchema, { samples: 0 }), 'analysis'),
      'analysis.samples',
      'analysis.samples is 0; it must be a whole number from 1, or auto_samples true',
    ],
    [
      () => analysisOptionsOf(create(AnalysisOptionsSchema, { threads: 1025 })),
      'options.threads',
      'options.threads is 1025; it must be a whole number from 1 to 1024',
    ],
    [
      () => trainingOptionsOf(create(TrainingOptionsSchema, { batchSize: 0 }), 'training'),
      'training.batch_size',
      'training.batch_size is 0; it must be a whole number from 1',
    ],
    [
      () => trainingOptionsOf(create(TrainingOptionsSchema, { lr: 1e-3, autoLr: true })),
      'options.auto_lr',
      'options.auto_lr is true and options.lr is 0.001; give one of them',
    ],
    [
      () => trainingOptionsOf(create(TrainingOptionsSchema, { lr: Number.NaN })),
      'options.lr',
      'options.lr is NaN; it must be a number above 0, or auto_lr true',
    ],
    [
      () => trainingOptionsOf(create(TrainingOptionsSchema, { labelWeights: { a: -1 } }), 'spec.training'),
      'spec.training.label_weights',
      'spec.training.label_weights is {"a":-1}; it must be a number above 0 for each label',
    ],
    [
      () => selectionOptionsOf(create(SelectionOptionsSchema, { k: 2, budget: 0.5 })),
      'selection.budget',
      'selection.budget is 0.5 and selection.k is 2; give one of them',
    ],
    [
      () => selectionOptionsOf(create(SelectionOptionsSchema, { strategy: 'best' })),
      'selection.strategy',
      `selection.strategy is "best"; it must be one of ${STRATEGIES.join(', ')}`,
    ],
    [
      () => scoreOptionsOf(create(ScoreOptionsSchema, { device: 'tpu' })),
      'options.device',
      'options.device is "tpu"; it must be auto, cpu or cuda',
    ],
    [
      () => inferenceOptionsOf(create(InferenceOptionsSchema, { maxLength: 0 })),
      'options.max_length',
      'options.max_length is 0; it must be a whole number from 1',
    ],
  ])('is named in the error (%#)', (work, field, message) => {
    const { code, field: found, message: text } = error(work);
    expect({ code, field: found, message: text }).toEqual({ code: 'INVALID_INPUT', field, message });
  });
});
