import { type Command, Option } from 'commander';
import { ANALYSIS_DEFAULTS, type AnalysisOptions } from '../analyzer/options';
import { CONTESTANTS, type Contestant } from '../compare/contestants';
import type { CompareRequest } from '../compare/request';
import type { DataSource } from '../data/dataset';
import { DATA_FORMATS, type DataFormat, formatOf } from '../data/format';
import { TASK_NAMES, type TaskName } from '../data/tasks';
import { invalidInput } from '../errors';
import { STRATEGIES, type Tune } from '../heads/mask';
import { RANKING_DEFAULTS, type RankingOptions } from '../heads/ranking';
import { rankingScope, SELECTION_DEFAULTS, type SelectionOptions } from '../heads/select';
import { TRAIN_DEFAULTS, type TrainOptions } from '../trainer/options';
import { SCORE_DEFAULTS, type ScoreOptions } from '../trainer/score-options';
import {
  decimal,
  decimals,
  type FlagParser,
  names,
  oneOf,
  seedList,
  someOf,
  wholeNumber,
  wholeNumberOr,
} from './flag-values';
import { STDIN } from './stdin';

/** What commander makes of a command line: flags in camel case. */
export type Flags = Record<string, unknown>;

const SEED_MOST = 2 ** 32 - 1;

/** Adds a flag that takes a value. Groups share `--seed`, `--k` and `--max-length`: who comes second finds it there. */
function add<T>(command: Command, flag: string, what: string, parse: FlagParser<T>, initial?: T): void {
  const option = new Option(flag, what).argParser(parse);
  if (initial !== undefined) option.default(initial, String(initial));
  if (!command.options.some(({ long }) => long === option.long)) command.addOption(option);
}

// ---- data: where in a file the texts and labels are ----

/** @param labels whether the command needs labels; where it does not, its label flags are accepted and do nothing */
export function addDataFlags(command: Command, labels: boolean): void {
  command.optionsGroup('Data:');
  add(command, '--task <name>', `a GLUE task's own file layout: ${TASK_NAMES.join(', ')}`, oneOf('--task', TASK_NAMES));
  add(command, '--text-columns <a[,b]>', 'or the header names of one or two text columns', names('--text-columns', 2));
  const column = new Option('--label-column <y>', 'and that of the label column').argParser(
    (text) => names('--label-column', 1)(text)[0],
  );
  const regression = new Option('--regression', 'the label is a number to be predicted, not a class');
  // One set of data flags then serves all commands.
  command.addOption(column.hideHelp(!labels)).addOption(regression.hideHelp(!labels));
  add(
    command,
    '--format <tsv|csv|jsonl|parquet|txt>',
    "the data's format (default: by the extension; txt: a text a line, no columns or labels)",
    oneOf('--format', DATA_FORMATS),
  );
}

/**
 * Reads the group, but for the path: a function of it, as a command may have two files of one layout.
 * @param known the task where no flag tells what to read
 */
export function dataFlags(flags: Flags, labels: boolean, known?: TaskName): (path: string) => DataSource {
  const { textColumns, labelColumn, regression, format } = flags as Omit<Partial<DataSource>, 'path'>;
  const task = (flags.task as TaskName | undefined) ?? (textColumns ? undefined : known);
  if (task !== undefined && textColumns) {
    throw invalidInput(
      `--task ${task} and --text-columns are given; a task names its columns itself: give one of them`,
    );
  }
  if (task !== undefined) {
    if (labelColumn !== undefined) throw invalidInput('--label-column goes with --text-columns, a task names its own');
    if (regression) throw invalidInput('--regression goes with --text-columns, a task knows by itself');
  }
  return (path) => {
    const source: DataSource = { path, ...(format && { format }) };
    if (formatFor(source) === 'txt' && !labels && !flags.task && !textColumns) return source;
    if (task !== undefined) return { ...source, task };
    if (!textColumns) throw invalidInput(`which texts? give --task (${TASK_NAMES.join(', ')}) or --text-columns a[,b]`);
    if (labels && labelColumn === undefined) {
      throw invalidInput('labels are needed here: give --label-column with --text-columns');
    }
    return { ...source, textColumns, ...(labels && { labelColumn, ...(regression && { regression }) }) };
  };
}

/** The format that is said, or that the name tells; standard input has no name. */
function formatFor({ path, format }: DataSource): DataFormat {
  if (path === STDIN && !format) {
    throw invalidInput(
      `${STDIN} is standard input, which has no name to tell the format: give --format ${DATA_FORMATS.join('|')}`,
    );
  }
  return format ?? formatOf(path);
}

// ---- models by name ----

export function addModelFlags(command: Command, what = 'folder of the base model, or its name on the Hub'): void {
  command.requiredOption('--model <folder or name>', what);
  addHubFlags(command);
}

export function addHubFlags(command: Command): void {
  command.option('--revision <rev>', 'branch, tag or commit of a model by name (default: main)');
  command.option('--offline', 'download nothing: a model by name must be in a cache');
}

// ---- ranking: which graph is made of the measurements ----

function addRankingFlags(command: Command): void {
  command.optionsGroup('Ranking:');
  const { correlation, teleport, damping, scope } = RANKING_DEFAULTS;
  const between = (value: number) => value > 0 && value < 1;
  add(
    command,
    '--correlation <kind>',
    'pearson or covariance',
    oneOf('--correlation', ['pearson', 'covariance']),
    correlation,
  );
  add(command, '--teleport <where>', 'richness or uniform', oneOf('--teleport', ['richness', 'uniform']), teleport);
  add(
    command,
    '--damping <d>',
    "PageRank's damping, 0 < d < 1",
    decimal('--damping', 'a number between 0 and 1', between),
    damping,
  );
  add(
    command,
    '--scope <what>',
    'one graph a layer, or one of the whole model',
    oneOf('--scope', ['layer', 'model']),
    scope,
  );
}

function rankingFlags(flags: Flags): RankingOptions {
  const { correlation, teleport, damping, scope } = flags as unknown as RankingOptions;
  return { correlation, teleport, damping, scope };
}

// ---- analysis: how heads are measured ----

export function addAnalysisFlags(command: Command): void {
  command.optionsGroup('Analysis:');
  const { samples, maxSamples, xi, maxLength, seed } = ANALYSIS_DEFAULTS;
  const share = (value: number) => value > 0 && value <= 1;
  add(
    command,
    '--samples <n>',
    'sequences to measure, or auto: until the top k of every layer is stable',
    wholeNumberOr('--samples', 1, 'auto'),
    samples,
  );
  add(command, '--max-samples <n>', 'the most that auto measures', wholeNumber('--max-samples', 1), maxSamples);
  addKFlag(command);
  add(
    command,
    '--xi <share>',
    'share of the singular values that counts, 0 < ξ ≤ 1',
    decimal('--xi', 'a number above 0, at most 1', share),
    xi,
  );
  add(command, '--max-length <tokens>', 'where texts are cut', wholeNumber('--max-length', 1), maxLength);
  command.option('--exact', 'float64 singular values of the head outputs themselves: slower', false);
  add(command, '--seed <n>', 'of every random draw', wholeNumber('--seed', 0, SEED_MOST), seed);
  addRankingFlags(command);
}

export function analysisFlags(flags: Flags): AnalysisOptions {
  const { samples, maxSamples, k, xi, maxLength, seed, exact } = flags as unknown as AnalysisOptions;
  const ranking = rankingFlags(flags);
  // What a run reports is what it selects by.
  const scope = rankingScope({ ...ranking, budget: flags.budget as number | undefined });
  const top = k ?? ANALYSIS_DEFAULTS.k;
  return { samples, maxSamples, k: top, xi, maxLength, seed, exact, ...ranking, scope, ...engineFlags(flags) };
}

// ---- selection: which heads are tuned ----

export function addSelectionFlags(command: Command): void {
  command.optionsGroup('Selection:');
  const { strategy, tune, seed } = SELECTION_DEFAULTS;
  const share = (value: number) => value > 0 && value <= 1;
  add(command, '--strategy <name>', STRATEGIES.join(', '), oneOf('--strategy', STRATEGIES), strategy);
  addKFlag(command);
  add(
    command,
    '--budget <share>',
    'instead of --k: the best heads of the whole model, as many as do not exceed this share of its parameters',
    decimal('--budget', 'a number above 0, at most 1', share),
  );
  add(
    command,
    '--tune <what>',
    "the chosen heads' query, key and value (qkv), or their output too (qkvo)",
    oneOf('--tune', ['qkv', 'qkvo']),
    tune,
  );
  add(command, '--seed <n>', 'of the random strategy', wholeNumber('--seed', 0, SEED_MOST), seed);
  addRankingFlags(command);
}

export function selectionFlags(flags: Flags): SelectionOptions {
  const { strategy, k, budget, tune, seed } = flags as unknown as SelectionOptions;
  if (k !== undefined && budget !== undefined) {
    throw invalidInput(`--k ${k} and --budget ${budget} are given; give one of them`);
  }
  const size = budget === undefined ? { k: k ?? SELECTION_DEFAULTS.k } : { budget };
  return { strategy, ...size, tune, seed, ...rankingFlags(flags) };
}

/** Without a default of commander's: whether it was given tells it from `--budget`. */
function addKFlag(command: Command): void {
  add(command, '--k <n>', `heads a layer (default: ${SELECTION_DEFAULTS.k})`, wholeNumber('--k', 1));
}

// ---- scores: what an analysis cannot tell of a head ----

export function addScoreFlags(command: Command, strategies: readonly string[]): void {
  command.optionsGroup('Scores:');
  const { samples, maxLength, seed } = SCORE_DEFAULTS;
  add(command, '--strategy <name>', strategies.join(', '), oneOf('--strategy', strategies), strategies[0]);
  add(command, '--samples <n>', 'sequences to score on', wholeNumber('--samples', 1), samples);
  add(command, '--max-length <tokens>', 'where texts are cut', wholeNumber('--max-length', 1), maxLength);
  add(command, '--seed <n>', 'of every random draw', wholeNumber('--seed', 0, SEED_MOST), seed);
}

export function scoreFlags(flags: Flags): ScoreOptions {
  const { samples, maxLength, seed } = flags as unknown as ScoreOptions;
  return { samples, maxLength, seed, ...engineFlags(flags) };
}

// ---- comparison: who is compared, on which rows ----

export function addCompareFlags(command: Command): void {
  command.optionsGroup('Comparison:');
  const { epochs, batchSize, warmup, weightDecay, maxLength } = TRAIN_DEFAULTS;
  const share = (value: number) => value > 0 && value <= 1;
  add(command, '--strategies <a,b,…>', CONTESTANTS.join(', '), someOf('--strategies', CONTESTANTS));
  add(command, '--seeds <n or list>', 'so many seeds from 0, or a list such as 3,5,8', seedList('--seeds'), [0, 1, 2]);
  add(command, '--reference <name>', 'who the others are compared with (default: random, else the first)', String);
  add(
    command,
    '--rows <n>',
    'rows of the training file to train on, others for each seed (default: 1000)',
    wholeNumber('--rows', 2),
  );
  add(command, '--rows-per-class <n>', 'or so many of each class', wholeNumber('--rows-per-class', 1));
  add(
    command,
    '--dev-rows <n>',
    'further rows that learning rate, epoch and penalty are chosen by (default: as many as are trained on, at most 500)',
    wholeNumber('--dev-rows', 1),
  );
  add(command, '--lrs <a,b,…>', 'learning rates to try on the first seed', decimals('--lrs'), [TRAIN_DEFAULTS.lr]);
  addKFlag(command);
  add(
    command,
    '--budget <share>',
    'instead of --k: the best heads of the whole model, as many as do not exceed this share of its parameters',
    decimal('--budget', 'a number above 0, at most 1', share),
  );
  add(command, '--tune <what>', 'qkv or qkvo', oneOf('--tune', ['qkv', 'qkvo']), SELECTION_DEFAULTS.tune);
  const { samples } = SCORE_DEFAULTS;
  add(
    command,
    '--samples <n>',
    'sequences that heads are measured and scored on',
    wholeNumber('--samples', 1),
    samples,
  );
  add(command, '--epochs <n>', 'passes over the training rows', wholeNumber('--epochs', 1), epochs);
  addBatchSizeFlag(command, batchSize);
  add(
    command,
    '--warmup <share>',
    'of the steps, while the rate rises',
    decimal('--warmup', 'a number from 0 to 1', (value) => value >= 0 && value <= 1),
    warmup,
  );
  add(
    command,
    '--weight-decay <rate>',
    'decoupled, of weights only',
    decimal('--weight-decay', 'a number from 0', (value) => value >= 0),
    weightDecay,
  );
  add(command, '--max-length <tokens>', 'where texts are cut', wholeNumber('--max-length', 1), maxLength);
}

/** Reads the group, but for the files. @throws HifiError INVALID_INPUT for flags that do not go together */
export function compareFlags(
  flags: Flags,
): Omit<CompareRequest, 'model' | 'train' | 'test' | 'out'> & { reference: Contestant } {
  const { strategies, seeds, reference, rows, rowsPerClass, devRows, lrs, k, budget, tune, samples } = flags as {
    strategies?: Contestant[];
    seeds: number[];
    reference?: string;
    rows?: number;
    rowsPerClass?: number;
    devRows?: number;
    lrs: number[];
    k?: number;
    budget?: number;
    tune: Tune;
    samples: number;
  };
  if (strategies === undefined) throw invalidInput('which are to be compared? give --strategies a,b,…');
  if (rows !== undefined && rowsPerClass !== undefined) {
    throw invalidInput(`--rows ${rows} and --rows-per-class ${rowsPerClass} are given; give one of them`);
  }
  if (k !== undefined && budget !== undefined) {
    throw invalidInput(`--k ${k} and --budget ${budget} are given; give one of them`);
  }
  const { epochs, batchSize, warmup, weightDecay, maxLength } = flags as unknown as TrainOptions;
  const drawn = rowsPerClass === undefined ? { rows: rows ?? 1000 } : { rowsPerClass };
  const fallback = strategies.includes('random') ? 'random' : strategies[0];
  return {
    contestants: strategies,
    seeds,
    reference: reference === undefined ? fallback : oneOf('--reference', strategies)(reference),
    rows: { ...drawn, ...(devRows !== undefined && { dev: devRows }) },
    size: budget === undefined ? { k: k ?? SELECTION_DEFAULTS.k } : { budget },
    tune,
    lrs,
    samples,
    training: { epochs, batchSize, warmup, weightDecay, maxLength },
    engine: engineFlags(flags),
  };
}

// ---- training ----

export function addTrainingFlags(command: Command): void {
  command.optionsGroup('Training:');
  const { epochs, batchSize, lr, warmup, weightDecay, maxLength, seed } = TRAIN_DEFAULTS;
  const positive = (value: number) => value > 0;
  const share = (value: number) => value >= 0 && value <= 1;
  const atLeastZero = (value: number) => value >= 0;
  add(command, '--epochs <n>', 'passes over the training rows', wholeNumber('--epochs', 1), epochs);
  addBatchSizeFlag(command, batchSize);
  add(command, '--lr <rate>', 'peak learning rate', decimal('--lr', 'a number above 0', positive), lr);
  add(
    command,
    '--warmup <share>',
    'of the steps, while the rate rises',
    decimal('--warmup', 'a number from 0 to 1', share),
    warmup,
  );
  add(
    command,
    '--weight-decay <rate>',
    'decoupled, of weights only',
    decimal('--weight-decay', 'a number from 0', atLeastZero),
    weightDecay,
  );
  add(command, '--max-length <tokens>', 'where texts are cut', wholeNumber('--max-length', 1), maxLength);
  add(
    command,
    '--early-stopping <epochs>',
    'stop after so many epochs that were no better (default: off)',
    wholeNumber('--early-stopping', 1),
  );
  add(command, '--seed <n>', 'of every random draw', wholeNumber('--seed', 0, SEED_MOST), seed);
}

export function trainingFlags(flags: Flags): TrainOptions {
  const { epochs, batchSize, lr, warmup, weightDecay, maxLength, earlyStopping, seed } =
    flags as unknown as TrainOptions;
  return {
    epochs,
    batchSize,
    lr,
    warmup,
    weightDecay,
    maxLength,
    ...(earlyStopping !== undefined && { earlyStopping }),
    seed,
    ...engineFlags(flags),
  };
}

// ---- inference: how a tuned model is run on rows ----

export function addInferenceFlags(command: Command): void {
  command.optionsGroup('Inference:');
  addBatchSizeFlag(command, TRAIN_DEFAULTS.batchSize);
  // The default is that of the delta's own training, known once it is read.
  add(
    command,
    '--max-length <tokens>',
    `where texts are cut (default: as the delta was trained, else ${TRAIN_DEFAULTS.maxLength})`,
    wholeNumber('--max-length', 1),
  );
}

function addBatchSizeFlag(command: Command, initial: number): void {
  add(command, '--batch-size <rows>', 'rows a step', wholeNumber('--batch-size', 1), initial);
}

// ---- engines: where they compute ----

export function addEngineFlags(command: Command): void {
  command.optionsGroup('Engines:');
  add(
    command,
    '--device <which>',
    'auto (CUDA where it works, else the CPU), cpu or cuda',
    oneOf('--device', ['auto', 'cpu', 'cuda']),
    'auto',
  );
  add(command, '--threads <n>', 'cores to use (default: all)', wholeNumber('--threads', 1, 1024));
}

export function engineFlags(flags: Flags): Pick<TrainOptions, 'device' | 'threads'> {
  const { device, threads } = flags as unknown as TrainOptions;
  return { device, ...(threads !== undefined && { threads }) };
}

// ---- output ----

export function addJsonFlag(command: Command): void {
  command.optionsGroup('Output:');
  command.option('--json', 'print one JSON document on stdout and nothing else there');
}

/** @param resumable whether the command can go on with what `--out` holds */
export function addOutFlags(command: Command, what: string, resumable = false): void {
  command.requiredOption('--out <path>', what);
  if (resumable) command.option('--resume', 'go on with what --out holds; with nothing there, start anew');
  command.option('--overwrite', "replace an earlier command's results in --out");
}
