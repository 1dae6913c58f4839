import * as fs from 'node:fs';
import * as path from 'node:path';
import { create, type DescMessage } from '@bufbuild/protobuf';
import { Command } from 'commander';
import { dataFlags } from '../../cli/data-flags';
import { type Flags, trainingFlags } from '../../cli/flags';
import { requestIdentity } from '../../cli/remote-run';
import { define as defineRun, jobFlags } from '../../cli/run';
import { readable } from '../../cli/stdin';
import { define as defineTrain } from '../../cli/train';
import type { DataSource } from '../../data/dataset';
import type { NamedProblem } from '../../data/problem';
import { windowOptions } from '../../data/word-windows';
import { EXEMPT, modelIdentity, readRowsIdentity, rowsIdentity } from '../../delta/identity';
import { TRAIN_DEFAULTS, type TrainOptions, trainOptions } from '../../delta/training-options';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import { SELECTION_DEFAULTS } from '../../heads/select';
import { resultKeys } from '../../job/folder-results';
import { checkInputs } from '../../job/inputs';
import type { JobSpec } from '../../job/job';
import { jobOptions } from '../../library/job';
import { openCheckpoint } from '../../model/checkpoint';
import { loadTokenizer } from '../../model/tokenizer';
import { TextDatasetSchema } from '../../proto/gen/hifi/v1/dataset_pb';
import {
  AnalysisOptionsSchema,
  SelectionOptionsSchema,
  TrainingOptionsSchema,
} from '../../proto/gen/hifi/v1/options_pb';
import { trainingOptionsOf } from '../../proto/options';
import { readInputs } from '../../trainer/inputs';
import { identityOf } from '../../trainer/run-identity';
import { keyOf } from '../../trainer/service';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { maskOf } from '../trainer/runs';

/*
 * Walks every input of a training or a job. The contract's messages and the commands' own flags
 * list the inputs. A new input fails here until it has another value below, or a reason in EXEMPT
 * not to count.
 */

const scratch = temporaryFolder('identity');
afterAll(() => fs.rmSync(scratch, { recursive: true }));
const model = path.join(FIXTURES, 'tiny-bert');

/** Rows with a choice of columns: the same texts in `a` and `b`, and labels that are numbers. */
const line = (i: number, end = '') => `the film ${i}${end}\tand ${i}\t${i % 2}\t${(i + 1) % 2}\n`;
const table = (end = '') => `a\tb\ty\tz\n${Array.from({ length: 40 }, (_, i) => line(i, end)).join('')}`;
const rowsFile = (name: string, text = table()) => {
  const file = path.join(scratch, name);
  fs.writeFileSync(file, text);
  return file;
};
const train: DataSource = { path: rowsFile('rows.tsv'), textColumns: ['a'], labelColumn: 'y' };
const dev: DataSource = { ...train, path: rowsFile('dev.tsv') };

/** Another value of each option. */
const ranking = { correlation: 'covariance', teleport: 'uniform', damping: 0.85, scope: 'model' };
const engine = { device: 'cpu', threads: 1 };
const OTHER: Record<'analysis' | 'selection' | 'training', Record<string, unknown>> = {
  analysis: {
    ...{ samples: 7, maxSamples: 9, autoSamples: true, k: 2, xi: 0.5, maxLength: 64, seed: 1, exact: true },
    ...{ ...ranking, ...engine },
  },
  selection: { strategy: 'random', k: 2, budget: 0.5, tune: 'qkvo', seed: 1, ...ranking },
  training: {
    ...{ epochs: 2, batchSize: 8, lr: 2e-3, warmup: 0.1, weightDecay: 0.1, maxLength: 64, earlyStopping: 2, seed: 1 },
    ...{ classWeights: 'balanced', labelSmoothing: 0.1, threshold: 0.4 },
    ...{ longTexts: 'windows', stride: 8, omitTexts: true, precision: 'bf16' },
    ...engine,
  },
};
/** Other rows, by the field of a request that names or reads them. */
const OTHER_ROWS: Record<string, Partial<DataSource>> = {
  path: { path: rowsFile('other.tsv', table(' long')) },
  artifact: { path: rowsFile('artifact.tsv', table(' more')) },
  inline: { path: rowsFile('inline.tsv', table(' here')) },
  // The same bytes in another format: as CSV there is one column, so only the file's name is used.
  name: { format: 'csv' },
  task: { task: 'sst2', textColumns: undefined, labelColumn: undefined },
  textColumns: { textColumns: ['a', 'b'] },
  labelColumn: { labelColumn: 'z' },
  regression: { regression: true },
  problem: { problem: 'regression' },
  labelColumns: { labelColumns: ['y', 'z'], labelColumn: undefined, problem: 'multi-label' },
  labelSeparator: { labelSeparator: ';', problem: 'multi-label' },
  delimiter: { delimiter: ';' },
};

const fieldsOf = (schema: DescMessage) => schema.fields.map(({ localName }) => localName).sort();
const isExempt = (name: string) => name in EXEMPT.options;

const spec: JobSpec = {
  ...{ model, train, dev, exports: ['checkpoint'], onnxDtypes: ['fp32'] },
  ...{ analysis: ANALYSIS_DEFAULTS, selection: SELECTION_DEFAULTS, training: TRAIN_DEFAULTS },
};
const sha256 = async (source: DataSource) => (await readRowsIdentity(source)).sha256;

/** Identities of a local job's results. */
async function localKeys(job: JobSpec): Promise<string> {
  const checkpoint = await openCheckpoint(job.model);
  checkpoint.close();
  const hashes = { train: await sha256(job.train), dev: job.dev ? await sha256(job.dev) : null, mismatched: null };
  return resultKeys(job, { model: modelIdentity(job.model, checkpoint.sha256), ...hashes })['metrics.json'];
}

/** Identity by which `--resume` finds a gateway's job. */
const remoteKey = async (job: JobSpec) => JSON.stringify(await requestIdentity(job));

interface Training {
  model: string;
  train: DataSource;
  dev?: DataSource;
  heads: number[][];
  options: TrainOptions;
}
const training: Training = { model, train, dev, heads: [[1], [2]], options: TRAIN_DEFAULTS };

/** Identity of a checkpoint of `hifi train` and of the library. */
async function checkpointKey({ model, heads, ...rest }: Training): Promise<string> {
  const checkpoint = await openCheckpoint(model);
  checkpoint.close();
  const reading = { ...windowOptions({ maxLength: 16 }), seed: 0, model: checkpoint.config };
  const inputs = await readInputs(rest, loadTokenizer(model), reading);
  const mask = await maskOf(heads, 'qkv', model);
  return identityOf(checkpoint, inputs, { ...rest, model, mask, out: scratch, resume: true });
}

/** Identity of a run id of the trainer's service. */
async function runKey({ heads, ...rest }: Training): Promise<string> {
  const checkpoint = await openCheckpoint(rest.model);
  checkpoint.close();
  return keyOf({ ...rest, mask: await maskOf(heads, 'qkv', rest.model) }, checkpoint.sha256);
}

test('every option of the contract is covered here', () => {
  expect(Object.keys(OTHER.analysis).sort()).toEqual(fieldsOf(AnalysisOptionsSchema));
  expect(Object.keys(OTHER.selection).sort()).toEqual(fieldsOf(SelectionOptionsSchema));
  // Weights by label and auto_lr are other forms of class weights and lr.
  expect(Object.keys({ ...OTHER.training, autoLr: true, labelWeights: {} }).sort()).toEqual(
    fieldsOf(TrainingOptionsSchema),
  );
  expect(Object.keys(OTHER_ROWS).sort()).toEqual(fieldsOf(TextDatasetSchema));
  expect(Object.keys({ ...ANALYSIS_DEFAULTS, autoSamples: true, threads: 1 }).sort()).toEqual(
    Object.keys(OTHER.analysis).sort(),
  );
});

describe.each(Object.entries(OTHER))('a job: each option of its %s', (part, options) => {
  test.each(Object.keys(options))('%s', async (name) => {
    const { autoSamples, ...value } = { [name]: options[name] } as Record<string, unknown>;
    const changed = {
      ...spec,
      [part]: { ...spec[part as 'training'], ...(autoSamples ? { samples: 'auto' } : value) },
    };
    for (const key of [localKeys, remoteKey]) {
      expect([key.name, (await key(changed)) === (await key(spec))]).toEqual([key.name, isExempt(name)]);
    }
    // The library adds the same options; the analysis' k is that of its selection.
    if (part === 'analysis' && name === 'k') return;
    const identityOf = (more: object) =>
      JSON.stringify(
        jobOptions({ model, train: { texts: [] }, ...more } as Parameters<typeof jobOptions>[0])[part as 'training'],
      );
    const given = autoSamples ? { samples: 'auto' } : value;
    expect(identityOf({ [part]: given })).not.toBe(identityOf({}));
  });
});

test.each(Object.keys(OTHER.training))('a training: %s', async (name) => {
  const options = trainOptions({ [name]: OTHER.training[name] });
  const ofMessage = trainingOptionsOf(create(TrainingOptionsSchema, { [name]: OTHER.training[name] }));
  expect(ofMessage).toEqual(options);
  for (const key of [checkpointKey, runKey]) {
    const same = (await key({ ...training, options })) === (await key(training));
    expect([key.name, same]).toEqual([key.name, isExempt(name)]);
  }
});

describe.each(['train', 'dev'] as const)('rows of %s', (of) => {
  test.each(Object.keys(OTHER_ROWS))('%s', async (field) => {
    const other = { ...(of === 'train' ? train : dev), ...OTHER_ROWS[field] };
    for (const key of [localKeys, remoteKey]) {
      expect([key.name, await key({ ...spec, [of]: other })]).not.toEqual([key.name, await key(spec)]);
    }
    expect(await runKey({ ...training, [of]: other })).not.toBe(await runKey(training));
    // These fields need layouts that one CSV column, a semicolon or the task's own columns do not
    // have, or a problem that both files share.
    if (['name', 'task', 'delimiter', 'labelColumns', 'labelSeparator'].includes(field)) return;
    expect(await checkpointKey({ ...training, [of]: other })).not.toBe(await checkpointKey(training));
  });

  test('the format by file name of the same bytes; not the path', async () => {
    const csv = { ...train, path: rowsFile('same.csv') };
    const moved = { ...(of === 'train' ? train : dev), path: rowsFile(`moved-${of}.tsv`) };
    expect(await remoteKey({ ...spec, [of]: csv })).not.toBe(await remoteKey(spec));
    expect(await runKey({ ...training, [of]: csv })).not.toBe(await runKey(training));
    for (const key of [localKeys, remoteKey]) expect(await key({ ...spec, [of]: moved })).toBe(await key(spec));
    for (const key of [checkpointKey, runKey]) {
      expect(await key({ ...training, [of]: moved })).toBe(await key(training));
    }
  });
});

test('a problem in either form, and the default one named or not', () => {
  const key = (named: NamedProblem) => rowsIdentity({ ...train, ...named }, '');
  expect(key({ regression: true })).toEqual(key({ problem: 'regression' }));
  expect(key({ problem: 'single-label', regression: false })).toEqual(key({}));
  expect(key({})).not.toHaveProperty('problem');
});

test('the default precision named or not', async () => {
  const options = trainOptions({ precision: 'float32' });
  expect(await remoteKey({ ...spec, training: options })).toBe(await remoteKey({ ...spec, training: TRAIN_DEFAULTS }));
  for (const key of [checkpointKey, runKey]) expect(await key({ ...training, options })).toBe(await key(training));
});

test('no dev rows, other heads, other exports', async () => {
  const { dev: _, ...withoutDev } = spec;
  for (const key of [localKeys, remoteKey]) expect(await key(withoutDev)).not.toBe(await key(spec));
  expect(await remoteKey({ ...spec, exports: ['peft'] })).not.toBe(await remoteKey(spec));
  expect(await remoteKey({ ...spec, onnxDtypes: ['q8'] })).not.toBe(await remoteKey(spec));
  for (const key of [checkpointKey, runKey]) {
    expect(await key({ ...training, dev: undefined })).not.toBe(await key(training));
    expect(await key({ ...training, heads: [[1], [3]] })).not.toBe(await key(training));
  }
});

test('every file of the model', async () => {
  const copy = path.join(scratch, 'model');
  fs.cpSync(model, copy, { recursive: true });
  const keys = async () => [
    await localKeys({ ...spec, model: copy }),
    await remoteKey({ ...spec, model: copy }),
    await checkpointKey({ ...training, model: copy }),
    await runKey({ ...training, model: copy }),
    JSON.stringify(await checkInputs({ ...spec, model: copy })),
  ];
  const before = await keys();
  for (const name of fs.readdirSync(copy)) {
    const file = path.join(copy, name);
    const bytes = fs.readFileSync(file);
    const changed = Buffer.from(bytes);
    // The last bit of a weight; in JSON an insignificant line end.
    if (name.endsWith('.safetensors')) changed[changed.length - 4] ^= 1;
    fs.writeFileSync(file, name.endsWith('.json') ? Buffer.concat([bytes, Buffer.from('\n')]) : changed);
    const now = await keys();
    expect([name, now.map((key, i) => key === before[i])]).toEqual([name, before.map(() => false)]);
    fs.writeFileSync(file, bytes);
  }
  expect(await keys()).toEqual(before);
});

describe('the flags of the commands', () => {
  const base = ['--model', model, '--train', train.path, '--out', 'o', '--text-columns', 'a', '--label-column', 'y'];
  /** Other values of each flag. A flag that excludes named columns goes without them. */
  const WORDS: Record<string, string[]> = {
    '--train': ['--train', OTHER_ROWS.path.path!],
    '--dev': ['--dev', dev.path],
    '--task': ['--task', 'sst2'],
    '--text-columns': ['--text-columns', 'a,b'],
    '--label-column': ['--label-column', 'z'],
    '--problem': ['--problem', 'regression'],
    '--regression': ['--regression'],
    '--format': ['--format', 'csv'],
    '--delimiter': ['--delimiter', ';'],
    '--export': ['--export', 'peft'],
    '--onnx-dtype': ['--export', 'onnx', '--onnx-dtype', 'q8'],
    '--long-texts': ['--long-texts', 'windows'],
    '--stride': ['--stride', '8'],
    '--samples': ['--samples', '7'],
    '--max-samples': ['--max-samples', '9'],
    '--k': ['--k', '2'],
    '--xi': ['--xi', '0.5'],
    '--max-length': ['--max-length', '64'],
    '--exact': ['--exact'],
    '--seed': ['--seed', '1'],
    '--correlation': ['--correlation', 'covariance'],
    '--teleport': ['--teleport', 'uniform'],
    '--damping': ['--damping', '0.85'],
    '--scope': ['--scope', 'model'],
    '--strategy': ['--strategy', 'random'],
    '--budget': ['--budget', '0.5'],
    '--tune': ['--tune', 'qkvo'],
    '--epochs': ['--epochs', '2'],
    '--batch-size': ['--batch-size', '8'],
    '--lr': ['--lr', '2e-3'],
    '--warmup': ['--warmup', '0.1'],
    '--weight-decay': ['--weight-decay', '0.1'],
    '--early-stopping': ['--early-stopping', '2'],
    '--label-columns': ['--label-columns', 'y', '--problem', 'multi-label'],
    '--label-separator': ['--label-separator', ';', '--problem', 'multi-label'],
    '--class-weights': ['--class-weights', 'balanced'],
    '--label-smoothing': ['--label-smoothing', '0.1'],
    '--omit-texts': ['--omit-texts'],
    '--threshold': ['--threshold', '0.4'],
    '--precision': ['--precision', 'bf16'],
  };
  /** Flags that name no input, each with the reason. */
  const NO_PART: Record<string, string> = {
    '--model': 'its files count: see above',
    '--mask': 'its heads count: see above',
    '--revision': 'where the model comes from: its files count',
    '--offline': 'where the model comes from: its files count',
    '--device': EXEMPT.options.device,
    '--threads': EXEMPT.options.threads,
    '--out': 'where results go',
    '--resume': 'this call',
    '--overwrite': 'this call',
    '--dry-run': 'this call',
    '--json': 'this call',
    '--config': 'other words for the same flags',
    '--gateway': 'place of the work: its address is in the record',
    '--token-file': 'place of the work',
    '--tls': 'place of the work',
    '--tls-ca': 'place of the work',
    '--tls-cert': 'place of the work',
    '--tls-key': 'place of the work',
  };

  const parsed = (define: (command: Command) => void, words: readonly string[]): { flags: Flags; known: string[] } => {
    const command = new Command('hifi').exitOverride();
    define(command);
    let flags: Flags = {};
    command.action((given: Flags) => {
      flags = given;
    });
    command.parse([...words], { from: 'user' });
    return { flags, known: command.options.map(({ long }) => long!) };
  };
  const wordsOf = (flag: string, words: readonly string[]) => {
    const columns = words.indexOf('--text-columns');
    const excluded = { '--task': [columns, 4], '--label-columns': [columns + 2, 2] }[flag];
    return [...(excluded ? words.toSpliced(excluded[0], excluded[1]) : words), ...WORDS[flag]];
  };

  test('every flag of run and of train has another value here, or a reason', () => {
    const mask = ['--mask', 'm'];
    for (const { known } of [parsed(defineRun, base), parsed(defineTrain, [...base, ...mask])]) {
      expect(known.filter((flag) => !(flag in WORDS) && !(flag in NO_PART))).toEqual([]);
    }
  });

  const inRun = parsed(defineRun, base).known.filter((flag) => flag in WORDS);
  test.each(inRun)('run %s', async (flag) => {
    const jobOf = (words: readonly string[]) => ({ ...jobFlags(parsed(defineRun, words).flags), model });
    const [before, now] = [jobOf(base), jobOf(wordsOf(flag, base))];
    expect(await remoteKey(now)).not.toBe(await remoteKey(before));
    // An export writes to its own folder, beside its input.
    if (flag !== '--export' && flag !== '--onnx-dtype') expect(await localKeys(now)).not.toBe(await localKeys(before));
  });

  const trainBase = [...base, '--mask', 'm'];
  const inTrain = parsed(defineTrain, trainBase).known.filter((flag) => flag in WORDS);
  test.each(inTrain)('train %s', async (flag) => {
    const { signal } = new AbortController();
    const requestOf = async (words: readonly string[]) => {
      const { flags } = parsed(defineTrain, words);
      const source = dataFlags(flags, true);
      const rows = (given: string | string[]) => readable(source(given), signal);
      const devRows = flags.dev === undefined ? {} : { dev: await rows(flags.dev as string) };
      const options = trainingFlags(flags);
      return { model, heads: [[1], [2]], train: await rows(flags.train as string[]), ...devRows, options };
    };
    const [before, now] = [await requestOf(trainBase), await requestOf(wordsOf(flag, trainBase))];
    expect(await runKey(now)).not.toBe(await runKey(before));
    if (!['--task', '--format', '--delimiter'].includes(flag))
      expect(await checkpointKey(now)).not.toBe(await checkpointKey(before));
  });
});
