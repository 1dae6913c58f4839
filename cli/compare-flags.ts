import type { Command } from 'commander';
import { METHODS, type Method } from '../compare/methods';
import type { CompareRequest } from '../compare/request';
import { SCORE_DEFAULTS } from '../delta/score-options';
import { TRAIN_DEFAULTS, type TrainOptions } from '../delta/training-options';
import { invalidInput } from '../foundation/errors';
import type { Tune } from '../heads/mask';
import { decimals, oneOf, seedList, someOf, wholeNumber } from './flag-values';
import { add, addScheduleFlags, addSizeFlags, engineFlags, type Flags, sizeFlags } from './flags';

/** Who is compared, and on which rows. */
export function addCompareFlags(command: Command): void {
  command.optionsGroup('Comparison:');
  add(command, '--strategies <a,b,…>', METHODS.join(', '), someOf('--strategies', METHODS));
  add(command, '--seeds <n or list>', 'so many seeds from 0, or a list such as 3,5,8', seedList('--seeds'), [0, 1, 2]);
  add(command, '--reference <name>', 'who the others are compared with (default: random, else the first)', String);
  add(
    command,
    '--rows <rows>',
    'rows of the training file to train on, others for each seed (default: 1000)',
    wholeNumber('--rows', 2),
  );
  add(
    command,
    '--rows-per-class <rows>',
    'instead of --rows: so many of each class',
    wholeNumber('--rows-per-class', 1),
  );
  add(
    command,
    '--dev-rows <rows>',
    'further rows that learning rate, epoch and penalty are chosen by (default: as many as are trained on, at most 500)',
    wholeNumber('--dev-rows', 1),
  );
  add(command, '--lrs <a,b,…>', 'learning rates to try on the first seed', decimals('--lrs'), [TRAIN_DEFAULTS.lr]);
  addSizeFlags(command);
  const { samples } = SCORE_DEFAULTS;
  add(
    command,
    '--samples <sequences>',
    'sequences that heads are measured and scored on',
    wholeNumber('--samples', 1),
    samples,
  );
  addScheduleFlags(command);
}

/** Reads the group, but for the files. @throws HifiError INVALID_INPUT for flags that do not go together */
export function compareFlags(
  flags: Flags,
): Omit<CompareRequest, 'model' | 'train' | 'test' | 'out'> & { reference: Method } {
  const { strategies, seeds, reference, rows, rowsPerClass, devRows, lrs, tune, samples } = flags as {
    strategies?: Method[];
    seeds: number[];
    reference?: string;
    rows?: number;
    rowsPerClass?: number;
    devRows?: number;
    lrs: number[];
    tune: Tune;
    samples: number;
  };
  if (strategies === undefined) throw invalidInput('which are to be compared? give --strategies a,b,…');
  if (rows !== undefined && rowsPerClass !== undefined) {
    throw invalidInput(`--rows ${rows} and --rows-per-class ${rowsPerClass} are given; give one of them`);
  }
  const { epochs, batchSize, warmup, weightDecay, maxLength } = flags as unknown as TrainOptions;
  const drawn = rowsPerClass === undefined ? { rows: rows ?? 1000 } : { rowsPerClass };
  const fallback = strategies.includes('random') ? 'random' : strategies[0];
  return {
    methods: strategies,
    seeds,
    reference: reference === undefined ? fallback : oneOf('--reference', strategies)(reference),
    rows: { ...drawn, ...(devRows !== undefined && { dev: devRows }) },
    size: sizeFlags(flags),
    tune,
    lrs,
    samples,
    training: { epochs, batchSize, warmup, weightDecay, maxLength },
    engine: engineFlags(flags),
  };
}
