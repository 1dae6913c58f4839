import { type Command, Option } from 'commander';
import { LONG_TEXTS } from '../data/word-windows';
import { SCORE_DEFAULTS, type ScoreOptions } from '../delta/score-options';
import { TRAIN_DEFAULTS, type TrainOptions } from '../delta/training-options';
import { invalidInput, invalidValue } from '../foundation/errors';
import { PRECISIONS } from '../foundation/precision';
import { ANALYSIS_DEFAULTS, type AnalysisOptions } from '../heads/analysis-options';
import { STRATEGIES } from '../heads/mask';
import { RANKING_DEFAULTS, type RankingOptions } from '../heads/ranking';
import { NEURON_STRATEGIES } from '../heads/scores';
import {
  defaultStrategy,
  rankingScope,
  SELECTION_DEFAULTS,
  type SelectionOptions,
  sizeOf,
  topHeads,
} from '../heads/select';
import { classWeights, wordOrWeights } from './class-weights';
import { aPath, aTune, decimal, decimalOr, type FlagParser, oneOf, wholeNumber, wholeNumberOr } from './flag-values';

/** Flags as commander parses them, with names in camel case. */
export type Flags = Record<string, unknown>;

const SEED_MOST = 2 ** 32 - 1;

/**
 * Adds a flag that takes a value. Groups share `--seed`, `--k` and `--max-length`: only the first
 * group adds it.
 */
export function add<T>(command: Command, flag: string, what: string, parse: FlagParser<T>, initial?: T): void {
  const option = new Option(flag, what).argParser(parse);
  if (initial !== undefined) option.default(initial, String(initial));
  addOnce(command, option);
}

/** Adds a required flag. */
export function addNeeded<T>(command: Command, flag: string, what: string, parse: FlagParser<T>): void {
  addOnce(command, new Option(flag, what).argParser(parse).makeOptionMandatory());
}

function addOnce(command: Command, option: Option): void {
  if (!command.options.some(({ long }) => long === option.long)) command.addOption(option);
}

// ---- models by name ----

export function addModelFlags(command: Command, what = 'folder of the base model, or its name on the Hub'): void {
  addNeeded(command, '--model <folder or name>', what, aPath('model'));
  addHubFlags(command);
}

export function addHubFlags(command: Command): void {
  command.option('--revision <rev>', 'branch, tag or commit of a model by name (default: main)');
  command.option('--offline', 'download nothing: a model by name must be in a cache');
}

// ---- ranking: how the graph is built from the measurements ----

function addRankingFlags(command: Command): void {
  command.optionsGroup('Ranking:');
  const { correlation, teleport, damping, scope } = RANKING_DEFAULTS;
  const between = (value: number) => value > 0 && value < 1;
  add(
    command,
    '--correlation <kind>',
    "correlation of two heads' mean outputs: pearson or covariance",
    oneOf('--correlation', ['pearson', 'covariance']),
    correlation,
  );
  add(
    command,
    '--teleport <where>',
    "where PageRank's walk restarts: richness (more often at rich heads) or uniform",
    oneOf('--teleport', ['richness', 'uniform']),
    teleport,
  );
  add(
    command,
    '--damping <share>',
    "PageRank's damping, above 0 and below 1: how often the walk continues to a neighbour",
    decimal('--damping', 'a number between 0 and 1', between),
    damping,
  );
  add(
    command,
    '--scope <what>',
    'graph that ranks the heads: one per layer, or one of the whole model',
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
    '--samples <sequences>',
    'number of sequences to measure, or auto: until the top k of every layer is stable; more give a more stable ranking',
    wholeNumberOr('--samples', 1, 'auto'),
    samples,
  );
  add(
    command,
    '--max-samples <sequences>',
    'largest number of sequences with --samples auto',
    wholeNumber('--max-samples', 1),
    maxSamples,
  );
  addKFlag(command);
  add(
    command,
    '--xi <share>',
    "share of the singular values' sum, above 0, at most 1: a head's richness is the number of values that reach it",
    decimal('--xi', 'a number above 0, at most 1', share),
    xi,
  );
  addMaxLengthFlag(command, maxLength);
  command.option('--exact', 'float64 singular values of the head outputs themselves: slower, for comparisons', false);
  addSeedFlag(command, seed);
  addRankingFlags(command);
}

export function analysisFlags(flags: Flags): AnalysisOptions {
  const { samples, maxSamples, k, xi, maxLength, seed, exact } = flags as unknown as AnalysisOptions;
  const ranking = rankingFlags(flags);
  // A run reports the ranking that it selects by.
  const scope = rankingScope({ ...ranking, budget: flags.budget as number | undefined });
  const top = topHeads({ k, tune: (flags as Partial<SelectionOptions>).tune ?? SELECTION_DEFAULTS.tune });
  return { samples, maxSamples, k: top, xi, maxLength, seed, exact, ...ranking, scope, ...engineFlags(flags) };
}

// ---- selection: which heads to tune ----

export function addSelectionFlags(command: Command): void {
  command.optionsGroup('Selection:');
  const { strategy, seed } = SELECTION_DEFAULTS;
  const how = `how heads are selected: ${STRATEGIES.join(', ')}; neurons: ${NEURON_STRATEGIES.join(', ')}`;
  const initial = `${how}, by default ${defaultStrategy('neurons')} (default: ${strategy})`;
  const option = new Option('--strategy <name>', initial).argParser(oneOf('--strategy', STRATEGIES));
  addOnce(command, option.default(undefined, strategy));
  addSizeFlags(command);
  add(command, '--seed <n>', 'seed for the random strategy', wholeNumber('--seed', 0, SEED_MOST), seed);
  addRankingFlags(command);
}

export function selectionFlags(flags: Flags): SelectionOptions {
  const { tune, seed, strategy = defaultStrategy(tune) } = flags as unknown as SelectionOptions;
  if (tune === 'neurons' && !NEURON_STRATEGIES.includes(strategy)) {
    const right = `one of ${NEURON_STRATEGIES.join(', ')} with --tune neurons`;
    throw invalidValue({ field: 'strategy', value: JSON.stringify(strategy), expected: right }, '--strategy');
  }
  return { strategy, ...sizeOf({ ...givenSize(flags), tune }), tune, seed, ...rankingFlags(flags) };
}

/** Reads `--k` or `--budget`. @throws HifiError INVALID_INPUT if both are given */
export function givenSize(flags: Flags): { k?: number } | { budget: number } {
  const { k, budget } = flags as Pick<SelectionOptions, 'k' | 'budget'>;
  if (k !== undefined && budget !== undefined) {
    throw invalidInput(`--k ${k} and --budget ${budget} are given; give one of them`);
  }
  if (budget !== undefined) return { budget };
  return k === undefined ? {} : { k };
}

/**
 * Adds the flags for the number of tuned heads or neurons and the heads' tuned matrices, which
 * selections and comparisons share.
 */
export function addSizeFlags(command: Command): void {
  addKFlag(command);
  add(
    command,
    '--budget <share>',
    'instead of --k: the best heads or neurons of the whole model, as many as do not exceed this share of its parameters',
    decimal('--budget', 'a number above 0, at most 1', (value) => value > 0 && value <= 1),
  );
  addTuneFlag(command, 'what is tuned');
}

function addTuneFlag(command: Command, what: string): void {
  const values = 'matrices of heads, letters of q (query), k (key), v (value) and o (output), or feed-forward neurons';
  add(command, '--tune <letters|neurons>', `${what}: ${values}`, aTune('--tune'), SELECTION_DEFAULTS.tune);
}

/** Adds `--k`. Its default is shown but not set, so that `--budget` can exclude a given `--k`. */
function addKFlag(command: Command): void {
  const initial = String(SELECTION_DEFAULTS.k);
  const many = 'heads or neurons per layer: more can learn more, and give a larger delta';
  const what = `${many}; neurons without --k: as many as have no more parameters (default: ${initial})`;
  addOnce(command, new Option('--k <count>', what).argParser(wholeNumber('--k', 1)).default(undefined, initial));
}

function addMaxLengthFlag(command: Command, initial: number): void {
  const what = 'tokens after which texts are truncated; longer ones cost time and memory';
  add(command, '--max-length <tokens>', what, wholeNumber('--max-length', 1), initial);
}

export function addSeedFlag(command: Command, initial: number): void {
  const what = 'seed for all random draws: the same seed gives the same result';
  add(command, '--seed <n>', what, wholeNumber('--seed', 0, SEED_MOST), initial);
}

// ---- scores: how heads are scored by gradients ----

export function addScoreFlags(command: Command, strategies: readonly string[]): void {
  command.optionsGroup('Scores:');
  const { samples, maxLength, seed } = SCORE_DEFAULTS;
  add(command, '--strategy <name>', strategies.join(', '), oneOf('--strategy', strategies), strategies[0]);
  add(command, '--samples <sequences>', 'sequences to score on', wholeNumber('--samples', 1), samples);
  addTuneFlag(command, 'what is scored');
  addMaxLengthFlag(command, maxLength);
  addSeedFlag(command, seed);
}

export function scoreFlags(flags: Flags): ScoreOptions {
  const { samples, tune, maxLength, seed } = flags as unknown as ScoreOptions;
  return { samples, tune, maxLength, seed, ...engineFlags(flags), ...precisionFlag(flags) };
}

// ---- training ----

export function addTrainingFlags(command: Command): void {
  command.optionsGroup('Training:');
  const { lr, seed } = TRAIN_DEFAULTS;
  const positive = (value: number) => value > 0;
  const peak = 'peak learning rate, after the warm-up; auto: chosen by a range test of at most half an epoch';
  add(command, '--lr <rate|auto>', peak, decimalOr('--lr', 'a number above 0', positive, 'auto'), lr);
  addScheduleFlags(command);
  add(
    command,
    '--early-stopping <epochs>',
    'stop after this many epochs without a better dev metric (default: off)',
    wholeNumber('--early-stopping', 1),
  );
  addOmitTextsFlag(command, 'leave the texts of the worst rows out of metrics.json and the report');
  addSeedFlag(command, seed);
}

export function addOmitTextsFlag(command: Command, what: string): void {
  command.option('--omit-texts', what);
}

/** Adds the flags that trainings and comparisons share. */
export function addScheduleFlags(command: Command): void {
  const { epochs, batchSize, warmup, weightDecay, maxLength } = TRAIN_DEFAULTS;
  const passes = 'passes over the training rows; the delta is that of the best one by the dev metric';
  add(command, '--epochs <passes>', passes, wholeNumber('--epochs', 1), epochs);
  const accumulated = 'rows per step; memory does not grow with it: gradients accumulate over parts of a batch';
  addBatchSizeFlag(command, accumulated, batchSize);
  add(
    command,
    '--warmup <share>',
    'share of the steps in which the learning rate rises; then it falls to 0',
    decimal('--warmup', 'a number from 0 to 1', (value) => value >= 0 && value <= 1),
    warmup,
  );
  add(
    command,
    '--weight-decay <rate>',
    'decoupled weight decay, of weights and not of biases; against overfitting',
    decimal('--weight-decay', 'a number from 0', (value) => value >= 0),
    weightDecay,
  );
  addMaxLengthFlag(command, maxLength);
  addLongTextFlags(command, 'dev rows, and rows at prediction, with more tokens', 'cut');
  const share = (value: number) => value >= 0 && value <= 1;
  add(
    command,
    '--class-weights <none|balanced|file>',
    'weights of the labels in the loss: none, balanced (rare labels count more), or a JSON file of weights by label (default: none)',
    wordOrWeights,
  );
  add(
    command,
    '--label-smoothing <share>',
    'share of each target that is spread over the labels evenly (default: 0)',
    decimal('--label-smoothing', 'a number from 0 to 1', share),
  );
  add(
    command,
    '--threshold <auto|probability>',
    'probability from which a label is predicted, with several labels per row (default: auto, the best on the dev rows for each label)',
    decimalOr('--threshold', 'a number from 0 to 1', share, 'auto'),
  );
}

/**
 * Reads the flags of the loss and the thresholds.
 * @throws HifiError INVALID_INPUT as {@link classWeights}
 */
export function labelFlags(flags: Flags): Pick<TrainOptions, 'classWeights' | 'labelSmoothing' | 'threshold'> {
  const { labelSmoothing, threshold } = flags as { labelSmoothing?: number; threshold?: number | 'auto' };
  const weights = classWeights(flags.classWeights as string | undefined);
  return {
    ...(weights !== undefined && { classWeights: weights }),
    ...(labelSmoothing !== undefined && { labelSmoothing }),
    ...(threshold !== undefined && threshold !== 'auto' && { threshold }),
  };
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
    ...longTextFlags(flags),
    ...(earlyStopping !== undefined && { earlyStopping }),
    ...labelFlags(flags),
    ...(flags.omitTexts === true && { omitTexts: true }),
    seed,
    ...engineFlags(flags),
    ...precisionFlag(flags),
  };
}

// ---- inference: how a tuned model is run on rows ----

export function addInferenceFlags(command: Command): void {
  command.optionsGroup('Inference:');
  addBatchSizeFlag(command, 'rows per run of the model', TRAIN_DEFAULTS.batchSize);
  // The default is that of the delta's own training, known once it is read.
  add(
    command,
    '--max-length <tokens>',
    `tokens after which texts are truncated (default: as the delta was trained, else ${TRAIN_DEFAULTS.maxLength})`,
    wholeNumber('--max-length', 1),
  );
  addLongTextFlags(command, 'rows with more tokens', 'as the delta was trained');
}

/** Adds the flags for rows with more tokens than `--max-length`. @param rows which rows they are */
function addLongTextFlags(command: Command, rows: string, initial: string): void {
  const what = `${rows}: cut, or read in windows that overlap (default: ${initial})`;
  add(command, '--long-texts <cut|windows>', what, oneOf('--long-texts', LONG_TEXTS));
  add(command, '--stride <tokens>', 'tokens that neighbouring windows share (default: 64)', wholeNumber('--stride', 0));
}

/** Reads the flags for long texts, as far as they are given. */
export function longTextFlags(flags: Flags): Pick<TrainOptions, 'longTexts' | 'stride'> {
  const { longTexts, stride } = flags as Pick<TrainOptions, 'longTexts' | 'stride'>;
  return { ...(longTexts !== undefined && { longTexts }), ...(stride !== undefined && { stride }) };
}

function addBatchSizeFlag(command: Command, description: string, initial: number): void {
  add(command, '--batch-size <rows>', description, wholeNumber('--batch-size', 1), initial);
}

// ---- engines: where they compute ----

/** @param precision true for a command that computes with TensorFlow */
export function addEngineFlags(command: Command, precision = true): void {
  command.optionsGroup('Engines:');
  add(
    command,
    '--device <which>',
    'device: auto (CUDA if it works, else the CPU), cpu or cuda',
    oneOf('--device', ['auto', 'cpu', 'cuda']),
    'auto',
  );
  add(
    command,
    '--threads <cores>',
    'number of cores (default: all, or as many as a CPU quota allows)',
    wholeNumber('--threads', 1, 1024),
  );
  if (!precision) return;
  add(
    command,
    '--precision <type>',
    'matrix products of TensorFlow: float32, or bf16 on a CPU that has bfloat16; all else, and the analysis, is float32',
    oneOf('--precision', PRECISIONS),
    PRECISIONS[0],
  );
}

export function engineFlags(flags: Flags): Pick<TrainOptions, 'device' | 'threads'> {
  const { device, threads } = flags as unknown as TrainOptions;
  return { device, ...(threads !== undefined && { threads }) };
}

/** Reads `--precision`, unless it has its default. */
export function precisionFlag({ precision }: Flags): Pick<TrainOptions, 'precision'> {
  return precision === 'bf16' ? { precision } : {};
}
