import type { Command } from 'commander';
import { METHODS, type Method, methodOf } from '../compare/methods';
import type { CompareRequest } from '../compare/request';
import { SCORE_DEFAULTS } from '../delta/score-options';
import { TRAIN_DEFAULTS, type TrainOptions } from '../delta/training-options';
import { invalidInput } from '../foundation/errors';
import { TUNE_RULE, type Tune } from '../heads/tune';
import {
  decimal,
  decimals,
  distinct,
  type FlagParser,
  names,
  oneOf,
  refused,
  seedList,
  wholeNumber,
} from './flag-values';
import {
  add,
  addScheduleFlags,
  addSizeFlags,
  engineFlags,
  type Flags,
  givenSize,
  labelFlags,
  longTextFlags,
  precisionFlag,
} from './flags';

/** Adds the flags for the compared methods and their rows. */
export function addCompareFlags(command: Command): void {
  command.optionsGroup('Comparison:');
  add(
    command,
    '--strategies <a,b,…>',
    `${METHODS.join(', ')}; after a colon, what a method tunes instead of --tune: random:vo`,
    methods('--strategies'),
  );
  add(
    command,
    '--seeds <n or list>',
    'number of seeds from 0, or a list such as 3,5,8',
    seedList('--seeds'),
    [0, 1, 2],
  );
  add(
    command,
    '--reference <name>',
    'method that the others are compared with (default: random, else the first)',
    String,
  );
  add(
    command,
    '--rows <rows>',
    'number of training rows, drawn for each seed from the training file (default: 1000)',
    wholeNumber('--rows', 2),
  );
  add(
    command,
    '--rows-per-class <rows>',
    'number of training rows of each class, instead of --rows',
    wholeNumber('--rows-per-class', 1),
  );
  add(
    command,
    '--dev-rows <rows>',
    'number of further rows that choose learning rate, epoch and penalty (default: as many as training rows, at most 500)',
    wholeNumber('--dev-rows', 1),
  );
  add(
    command,
    '--lrs <a,b,…>',
    'learning rates to try on the first seed; from three on, a best one at an end of them is searched beyond',
    decimals('--lrs'),
    [TRAIN_DEFAULTS.lr],
  );
  add(
    command,
    '--minutes <minutes>',
    'budget of wall time, spent by successive halving: fewer epochs for all methods and rates first, then all epochs and seeds for the best',
    decimal('--minutes', 'a number above 0', (minutes) => minutes > 0),
  );
  addSizeFlags(command);
  const { samples } = SCORE_DEFAULTS;
  add(
    command,
    '--samples <sequences>',
    'sequences for the analysis and the scores',
    wholeNumber('--samples', 1),
    samples,
  );
  addScheduleFlags(command);
}

/**
 * Reads the group, except the files. @throws HifiError INVALID_INPUT for flags that exclude each
 * other
 */
export function compareFlags(
  flags: Flags,
): Omit<CompareRequest, 'model' | 'train' | 'test' | 'out'> & { reference: Method } {
  const { strategies, seeds, reference, rows, rowsPerClass, devRows, lrs, minutes, tune, samples } = flags as {
    strategies?: Method[];
    seeds: number[];
    reference?: string;
    rows?: number;
    rowsPerClass?: number;
    devRows?: number;
    lrs: number[];
    minutes?: number;
    tune: Tune;
    samples: number;
  };
  if (strategies === undefined)
    throw invalidInput('--strategies is missing; give the methods to compare: --strategies a,b,…');
  if (rows !== undefined && rowsPerClass !== undefined) {
    throw invalidInput(`--rows ${rows} and --rows-per-class ${rowsPerClass} are given; give one of them`);
  }
  if (minutes !== undefined && flags.gateway !== undefined) {
    throw invalidInput(`--minutes ${minutes} and --gateway are given; a budget is for runs here: give one of them`);
  }
  const { epochs, batchSize, warmup, weightDecay, maxLength } = flags as unknown as TrainOptions;
  const drawn = rowsPerClass === undefined ? { rows: rows ?? 1000 } : { rowsPerClass };
  const fallback = strategies.includes('random') ? 'random' : strategies[0];
  const compared = reference === undefined ? fallback : oneOf('--reference', strategies)(reference);
  return {
    methods: strategies,
    seeds,
    reference: compared,
    ...(minutes !== undefined && { budget: { minutes, reference: compared } }),
    rows: { ...drawn, ...(devRows !== undefined && { dev: devRows }) },
    size: givenSize(flags),
    tune,
    lrs,
    samples,
    training: {
      ...{ epochs, batchSize, warmup, weightDecay, maxLength },
      ...labelFlags(flags),
      ...longTextFlags(flags),
      ...precisionFlag(flags),
    },
    engine: engineFlags(flags),
  };
}

/** Parses methods with commas; one that chooses heads may have its own parts after a colon. */
function methods(flag: string): FlagParser<Method[]> {
  const parse = (text: string) => {
    const read = names(flag)(text).map((each) => {
      const method = methodOf(each);
      if (method !== undefined) return method;
      const [name] = each.split(':');
      if (each === name) oneOf(flag, METHODS)(name);
      throw refused(flag, each, `METHOD:PARTS; METHOD chooses heads or neurons, PARTS are ${TUNE_RULE}`);
    });
    return distinct(flag, text, read);
  };
  return Object.assign(parse, { takes: METHODS, several: true });
}
