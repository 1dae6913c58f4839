import { TRAIN_DEFAULTS, type TrainOptions, trainOptions } from '../../delta/training-options';

it('fills in the defaults', () => {
  expect(trainOptions({})).toEqual(TRAIN_DEFAULTS);
  const given = {
    ...TRAIN_DEFAULTS,
    epochs: 1,
    batchSize: 1,
    warmup: 1,
    earlyStopping: 1,
    seed: 2 ** 32 - 1,
    threads: 1,
  };
  expect(trainOptions(given)).toEqual(given);
  expect(trainOptions({ warmup: 0, weightDecay: 0, threads: undefined })).toEqual({ ...TRAIN_DEFAULTS, warmup: 0 });
});

it.each<[Partial<Record<keyof TrainOptions, unknown>>, string]>([
  [{ epochs: 0 }, 'training option epochs is 0; it must be a whole number from 1'],
  [{ epochs: 1.5 }, 'training option epochs is 1.5; it must be a whole number from 1'],
  [{ batchSize: 0 }, 'training option batchSize is 0; it must be a whole number from 1'],
  [{ batchSize: '32' }, 'training option batchSize is "32"; it must be a whole number from 1'],
  [{ lr: 0 }, 'training option lr is 0; it must be a number above 0, or auto'],
  [{ lr: Number.NaN }, 'training option lr is NaN; it must be a number above 0, or auto'],
  [{ lr: Number.POSITIVE_INFINITY }, 'training option lr is Infinity; it must be a number above 0, or auto'],
  [{ warmup: -0.1 }, 'training option warmup is -0.1; it must be from 0 to 1'],
  [{ warmup: 1.1 }, 'training option warmup is 1.1; it must be from 0 to 1'],
  [{ weightDecay: -1 }, 'training option weightDecay is -1; it must be at least 0'],
  [{ maxLength: 0 }, 'training option maxLength is 0; it must be a whole number from 1'],
  [{ earlyStopping: 0 }, 'training option earlyStopping is 0; it must be a whole number from 1'],
  [{ seed: 2 ** 32 }, 'training option seed is 4294967296; it must be a whole number from 0 to 4294967295'],
  [{ seed: -1 }, 'training option seed is -1; it must be a whole number from 0 to 4294967295'],
  [{ device: 'tpu' }, 'training option device is "tpu"; it must be auto, cpu or cuda'],
  [{ threads: 0 }, 'training option threads is 0; it must be a whole number from 1 to 1024'],
])('refuses %p', (options, message) => {
  expect(() => trainOptions(options as Partial<TrainOptions>)).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', message }),
  );
});

it('rejects an unknown option', () => {
  expect(() => trainOptions({ epoch: 3 } as object)).toThrow('there is no training option "epoch"');
});
