import { Command } from 'commander';
import { define as defineAnalyze } from '../../cli/analyze';
import { dataFlags } from '../../cli/data-flags';
import { define as defineEvaluate } from '../../cli/evaluate';
import { exitOf, usageExit } from '../../cli/exit';
import { analysisFlags, type Flags, selectionFlags, trainingFlags } from '../../cli/flags';
import { define as defineRun } from '../../cli/run';
import { define as defineSelect } from '../../cli/select';
import { PROBLEM_TYPES } from '../../data/problem';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import { SELECTION_DEFAULTS } from '../../heads/select';

/** Parses a command line without running the command's action. */
function parsed(define: (command: Command) => void, ...args: string[]): Flags {
  const command = new Command('hifi').exitOverride().configureOutput({ writeErr: () => {}, outputError: () => {} });
  define(command);
  let flags: Flags = {};
  command.action((given: Flags) => {
    flags = given;
  });
  command.parse(args, { from: 'user' });
  return flags;
}

const run = ['--model', 'm', '--train', 't', '--out', 'o'];

test('the defaults are those of the rooms, and groups agree on shared flags', () => {
  const flags = parsed(defineRun, ...run, '--task', 'sst2');
  expect(analysisFlags(flags)).toEqual(ANALYSIS_DEFAULTS);
  expect(selectionFlags(flags)).toEqual(SELECTION_DEFAULTS);
  expect(trainingFlags(flags)).toEqual(TRAIN_DEFAULTS);
  expect(flags.export).toEqual(['checkpoint']);
});

test('given flags are read', () => {
  const flags = parsed(
    defineRun,
    ...run,
    ...['--samples', '7', '--max-samples', '99', '--xi', '.5', '--max-length', '64', '--exact', '--seed', '4294967295'],
    ...['--correlation', 'covariance', '--teleport', 'uniform', '--damping', '0.85', '--scope', 'model'],
    ...[
      '--strategy',
      'hifi-mid-top',
      '--k',
      '2',
      '--tune',
      'qkvo',
      '--epochs',
      '1',
      '--batch-size',
      '8',
      '--lr',
      '3e-4',
    ],
    ...['--warmup', '0', '--weight-decay', '0.01', '--early-stopping', '2', '--device', 'cpu', '--threads', '2'],
    ...['--precision', 'bf16'],
  );
  const ranking = { correlation: 'covariance', teleport: 'uniform', damping: 0.85, scope: 'model' };
  const engines = { device: 'cpu', threads: 2 };
  const seed = 4294967295;
  expect(analysisFlags(flags)).toEqual({
    samples: 7,
    maxSamples: 99,
    k: 2,
    xi: 0.5,
    maxLength: 64,
    exact: true,
    seed,
    ...ranking,
    ...engines,
  });
  expect(selectionFlags(flags)).toEqual({ strategy: 'hifi-mid-top', k: 2, tune: 'qkvo', seed, ...ranking });
  expect(trainingFlags(flags)).toEqual({
    ...{ epochs: 1, batchSize: 8, lr: 3e-4, warmup: 0, weightDecay: 0.01, earlyStopping: 2, maxLength: 64, seed },
    ...engines,
    precision: 'bf16',
  });
});

test.each([
  ['o,v', 'vo'],
  ['q', 'q'],
  ['vkq', 'qkv'],
])('--tune %s is the set %s', (text, tune) => {
  expect(selectionFlags(parsed(defineRun, ...run, '--task', 'sst2', '--tune', text))).toMatchObject({ tune });
});

test('neurons have a strategy and a size of their own, which the analysis does not take for heads', () => {
  const given = (...flags: string[]) => parsed(defineRun, ...run, '--task', 'sst2', '--tune', 'neurons', ...flags);
  const { k: _, ...others } = SELECTION_DEFAULTS;
  expect(selectionFlags(given())).toEqual({ ...others, strategy: 'gradient', tune: 'neurons' });
  expect(selectionFlags(given('--k', '96', '--strategy', 'activation'))).toMatchObject({
    k: 96,
    strategy: 'activation',
  });
  expect(analysisFlags(given('--k', '96')).k).toBe(3);
  expect(() => selectionFlags(given('--strategy', 'hifi'))).toThrow(
    '--strategy is "hifi"; it must be one of gradient, activation, magnitude, random, all, none with --tune neurons',
  );
});

test('a budget replaces k, and the analysis then ranks in the graph of the whole model', () => {
  const flags = parsed(defineRun, ...run, '--task', 'sst2', '--budget', '0.02', '--samples', 'auto');
  expect(analysisFlags(flags)).toEqual({ ...ANALYSIS_DEFAULTS, samples: 'auto', scope: 'model' });
  const { k: _, ...others } = SELECTION_DEFAULTS;
  expect(selectionFlags(flags)).toEqual({ ...others, budget: 0.02 });
});

test.each([
  ['--samples', '0', 'a whole number from 1, or auto'],
  ['--samples', '1e3', 'a whole number from 1, or auto'],
  ['--max-samples', '0', 'a whole number from 1'],
  ['--budget', '0', 'a number above 0, at most 1'],
  ['--budget', '2', 'a number above 0, at most 1'],
  ['--xi', '0', 'a number above 0, at most 1'],
  ['--xi', '1.01', 'a number above 0, at most 1'],
  ['--max-length', '-1', 'a whole number from 1'],
  ['--seed', '4294967296', 'a whole number from 0 to 4294967295'],
  ['--seed', '', 'a whole number from 0 to 4294967295'],
  ['--correlation', 'pearsn', 'pearson, covariance; did you mean "pearson"?'],
  ['--teleport', 'x', 'richness, uniform'],
  ['--damping', '1', 'a number between 0 and 1'],
  ['--damping', 'NaN', 'a number between 0 and 1'],
  ['--scope', 'Layer', 'layer, model; did you mean "layer"?'],
  ['--k', '2.5', 'a whole number from 1'],
  ['--tune', 'qvq', 'letters of qkvo, each once, commas optional, or neurons'],
  ['--tune', 'QV', 'letters of qkvo, each once, commas optional, or neurons'],
  ['--epochs', 'ten', 'a whole number from 1'],
  ['--lr', '0', 'a number above 0, or auto'],
  ['--lr', 'Infinity', 'a number above 0, or auto'],
  ['--warmup', '6', 'a number from 0 to 1'],
  ['--weight-decay', '-0.1', 'a number from 0'],
  ['--early-stopping', '0', 'a whole number from 1'],
  ['--device', 'gpu', 'auto, cpu, cuda; did you mean "cpu"?'],
  ['--precision', 'fp16', 'float32, bf16; did you mean "bf16"?'],
  ['--threads', '0', 'a whole number from 1 to 1024'],
  ['--format', 'xlsx', 'tsv, csv, jsonl, parquet, txt, conll'],
  ['--text-columns', ' ', 'the name of a column'],
  ['--label-column', '', 'the name of a column'],
  ['--export', 'tflite', 'checkpoint, peft, onnx'],
  ['--onnx-dtype', 'q4', 'fp32, fp16, q8; did you mean "q8"?'],
])('%s %s is refused', (flag, value, right) => {
  let exit: ReturnType<typeof exitOf> | undefined;
  try {
    parsed(defineRun, ...run, flag, value);
  } catch (error) {
    exit = exitOf(error);
  }
  expect(exit).toEqual({ line: `hifi: ${flag} is "${value}"; it must be ${right}`, code: 2 });
});

test('an unknown task or strategy is refused with the list of known ones', () => {
  expect(() => parsed(defineRun, ...run, '--task', 'sst')).toThrow(
    /^--task is "sst"; it must be cola, sst2, .*did you mean "sst2"\?$/,
  );
  expect(() => parsed(defineRun, ...run, '--strategy', 'gradients')).toThrow(
    /^--strategy is "gradients"; it must be hifi, .*did you mean "gradient"\?$/,
  );
});

describe('data flags', () => {
  const source = (labels: boolean, ...args: string[]) => dataFlags(parsed(defineRun, ...run, ...args), labels)('f.tsv');

  test('a task, or columns', () => {
    expect(source(true, '--task', 'cola')).toEqual({ path: 'f.tsv', task: 'cola' });
    expect(source(true, '--text-columns', 'a, b', '--label-column', 'y', '--regression', '--format', 'csv')).toEqual({
      ...{ path: 'f.tsv', textColumns: ['a, b'], labelColumn: 'y', problem: 'regression', format: 'csv' },
    });
    // A command without labels accepts the label flags and ignores them.
    const label = ['--label-column', 'y', '--problem', 'regression'];
    expect(source(false, '--text-columns', 'a', ...label)).toEqual({ path: 'f.tsv', textColumns: ['a'] });
    // Lists of words are texts with labels or without.
    const words = { path: 'f.tsv', textColumns: ['a'], problem: 'tokens' };
    expect(source(false, '--text-columns', 'a', '--label-column', 'y', '--problem', 'tokens')).toEqual(words);
  });

  test.each(PROBLEM_TYPES)('the problem %s', (problem) => {
    const named = (...args: string[]) => source(true, '--text-columns', 'a', '--label-column', 'y', ...args);
    expect(named('--problem', problem)).toEqual({ path: 'f.tsv', textColumns: ['a'], labelColumn: 'y', problem });
    expect(named()).not.toHaveProperty('problem');
    expect(named('--problem', 'regression', '--regression')).toEqual(named('--regression'));
  });

  test('several files, and their delimiter', () => {
    const flags = parsed(defineRun, ...run, '--train', 'b.csv', '--text-columns', 'a', '--label-column', 'y');
    const rows = (...args: string[]) => {
      const given = parsed(
        defineRun,
        '--model',
        'm',
        '--out',
        'o',
        '--text-columns',
        'a',
        '--label-column',
        'y',
        ...args,
      );
      return dataFlags(given, true)(given.train as string[]);
    };
    expect(flags.train).toHaveLength(2);
    expect(rows('--train', 'b.csv', '--train', 'a.csv', '--delimiter', '\\t')).toEqual({
      path: 'b.csv',
      more: [{ path: 'a.csv' }],
      textColumns: ['a'],
      labelColumn: 'y',
      delimiter: '\t',
    });
    expect(() => rows('--train', 'b.csv', '--delimiter', ';;')).toThrow(
      /^--delimiter is ";;"; it must be one character/,
    );
    expect(() => rows('--train', 'b.csv', '--train', 'a.tsv')).toThrow(/^a\.tsv is tsv, b\.csv is csv; files that/);
  });

  test.each([
    [[], /^the text columns are missing; give --task \(cola, .*\) or --text-columns a\[,b\]$/],
    [['--text-columns', 'a'], /^labels are needed here; give --label-column/],
    [['--task', 'cola', '--text-columns', 'a'], /give one of them$/],
    [['--task', 'cola', '--label-column', 'y'], /^--label-column needs --text-columns/],
    [['--task', 'cola', '--regression'], /^--regression needs --text-columns/],
    [['--task', 'cola', '--problem', 'single-label'], /^--problem needs --text-columns/],
    [
      ['--problem', 'ranking'],
      /^--problem is "ranking"; it must be single-label, multi-label, regression, tokens, relevance$/,
    ],
    [['--problem', 'single-label', '--regression'], /^regression is short for .* single-label is given too: keep one$/],
  ])('%j is refused', (args, message) => {
    expect(() => source(true, ...args)).toThrow(message);
  });

  test('a delta sets its task, and a flag takes precedence', () => {
    const given = (...args: string[]) =>
      dataFlags(parsed(defineEvaluate, '--model', 'm', '--data', 'd', ...args), true, 'cola')('f.tsv');
    expect(given()).toEqual({ path: 'f.tsv', task: 'cola' });
    expect(given('--task', 'sst2')).toEqual({ path: 'f.tsv', task: 'sst2' });
    expect(given('--text-columns', 'a', '--label-column', 'y')).toEqual({
      path: 'f.tsv',
      textColumns: ['a'],
      labelColumn: 'y',
    });
  });
});

test('unknown flags are bad usage', () => {
  const usage = (...[define, ...args]: Parameters<typeof parsed>) => {
    try {
      parsed(define, ...args);
    } catch (error) {
      return usageExit((error as Error).message);
    }
    return undefined;
  };
  const select = ['--heads', 'h', '--out', 'o'];
  expect(usage(defineSelect, ...select, '--epochs', '1')).toEqual({ line: "hifi: unknown option '--epochs'", code: 2 });
  expect(usage(defineSelect, ...select, '--dampin', '1')).toEqual({
    line: "hifi: unknown option '--dampin' (Did you mean --damping?)",
    code: 2,
  });
  expect(usage(defineAnalyze, '--model', 'm', '--data', 'd')?.line).toMatch(/^hifi: required option '--out/);
  expect(usage(defineSelect, ...select, 'more')?.line).toMatch(/^hifi: too many arguments/);
});
