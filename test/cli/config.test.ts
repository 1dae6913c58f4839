import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { Command } from 'commander';
import { analysisFlags, type Flags, selectionFlags, trainingFlags } from '../../cli/flags';
import { define as defineInit } from '../../cli/init';
import { define as defineRun } from '../../cli/run';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { HifiError } from '../../foundation/errors';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import { SELECTION_DEFAULTS } from '../../heads/select';
import { readHeads, readMask } from '../../job/files';
import { fixtures, hifi } from './spawn';

/*
 * Tests `hifi init` and `hifi run --config`: a file sets what flags set, with the same checks, and
 * flags take precedence.
 */
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-config-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));
const at = (...parts: string[]) => path.join(scratch, ...parts);
let files = 0;

/** Parses the flags of `hifi run`, without running its action. */
function run(...args: string[]): Flags {
  const command = new Command('run').exitOverride().configureOutput({ writeErr: () => {}, outputError: () => {} });
  defineRun(command);
  let flags: Flags = {};
  command.action((given: Flags) => {
    flags = given;
  });
  command.parse(args, { from: 'user' });
  return flags;
}

function file(...lines: string[]): string {
  const name = at(`${files++}.yaml`);
  fs.writeFileSync(name, `${lines.join('\n')}\n`);
  return name;
}

/** Returns the file that `hifi init` writes. */
function init(name: string, ...args: string[]): string {
  const command = new Command('init').exitOverride();
  defineInit(command);
  const written = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    command.parse([name, ...args], { from: 'user' });
    expect(written.mock.calls.map(([text]) => text)).toEqual([`${name}\nhifi run --config ${name}\n`]);
  } finally {
    written.mockRestore();
  }
  return fs.readFileSync(name, 'utf8');
}

const needed = ['--model', 'all-MiniLM-L6-v2', '--train', at('t.csv'), '--out', at('out')];
/** Converts flags to options. */
const options = (flags: Flags) => [analysisFlags(flags), selectionFlags(flags), trainingFlags(flags)];

describe('the file of init', () => {
  test('is valid as it is, and then sets the defaults', () => {
    const name = at('whole.yaml');
    const text = init(name, ...needed);
    expect(run('--config', name)).toEqual({ ...run(...needed), config: name });
    fs.writeFileSync(name, text.replaceAll(/^#(?=[a-z])/gm, ''));
    const { k, strategy, ...others } = run('--config', name);
    expect(others).toEqual({ ...run(...needed), config: name });
    expect({ k, strategy }).toEqual({ k: SELECTION_DEFAULTS.k, strategy: SELECTION_DEFAULTS.strategy });
    expect(options(others)).toEqual([ANALYSIS_DEFAULTS, SELECTION_DEFAULTS, TRAIN_DEFAULTS]);
  });

  test('has each flag of run with the text and the default of its --help', () => {
    const text = init(at('help.yaml'));
    const command = new Command('run').configureHelp({ helpWidth: 1000 });
    defineRun(command);
    const ofOneCall = ['config', 'resume', 'overwrite', 'dry-run', 'json', 'help'];
    const lines = command
      .helpInformation()
      .split('\n')
      .map((line) => /^ {2}(?:-h, )?(--([\w-]+)(?: <.*?>)?) +(\S.*)$/.exec(line))
      .filter((match) => match !== null)
      .filter(([, , name]) => !ofOneCall.includes(name));
    expect(lines.length).toBeGreaterThan(35);
    // Each comment as one line again, with the setting below it.
    const settings = new Map(
      [...text.matchAll(/((?:^# .*\n)+)^#?([\w-]+):(.*)$/gm)].map(([, comment, name, value]) => [
        name,
        { words: comment.replaceAll(/^# |\n/gm, (part) => (part === '\n' ? ' ' : '')).trimEnd(), value: value.trim() },
      ]),
    );
    for (const [, flags, name, what] of lines) {
      const [, words, initial] = /^(.*?)(?: \(default: ([^()]*)\))?$/.exec(what) as RegExpExecArray;
      const setting = settings.get(name);
      expect(setting?.words.replace(': required: ', ': ')).toContain(`${flags}: ${words}`);
      if (initial !== undefined && setting?.value !== '') expect([name, setting?.value]).toEqual([name, initial]);
      settings.delete(name);
    }
    expect([...settings.keys()]).toEqual([]);
  });

  test('has the given flags, with paths relative to the file', () => {
    fs.mkdirSync(at('deep'), { recursive: true });
    fs.mkdirSync(at('base'), { recursive: true });
    const name = at('deep', 'filled.yaml');
    const columns = ['--text-columns', 'one, two', '--label-column', 'null', '--export', 'peft,onnx', '--lr', '3e-4'];
    const text = init(name, '--model', at('base'), '--train', at('t.csv'), '--out', 'here', '--exact', ...columns);
    // Absolute paths do not change.
    expect(text).toMatch(new RegExp(`^model: ${at('base')}$`, 'm'));
    for (const line of [
      'exact: true',
      'text-columns: "one, two"',
      'label-column: "null"',
      'export: [ peft, onnx ]',
      'lr: 0.0003',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(run('--config', name)).toMatchObject({
      ...{ model: at('base'), exact: true, textColumns: 'one, two', labelColumn: 'null', lr: 3e-4 },
      export: ['peft', 'onnx'],
    });
    expect(path.resolve(run('--config', name).out as string)).toBe(path.resolve('here'));
  });

  test('never replaces anything', () => {
    const name = file('epochs: 1');
    expect(hifi('init', name)).toEqual({
      ...{ status: 2, stdout: '' },
      stderr: `hifi: ${name} exists; give another name, or remove it first\n`,
    });
    expect(fs.readFileSync(name, 'utf8')).toBe('epochs: 1\n');
    expect(hifi('init', at('none.yaml'), '--epochs', 'ten').stderr).toMatch(/^hifi: --epochs is "ten"; it must be/);
    expect(fs.existsSync(at('none.yaml'))).toBe(false);
  });
});

describe('a file', () => {
  test('sets what flags set, in the spelling of flags', () => {
    const name = file(
      '# a remark',
      'model: all-MiniLM-L6-v2',
      `train: ${at('t.csv')}   # another`,
      'out: results',
      'text-columns: sentence',
      'label-column: 1',
      'samples: auto',
      'lr: 1e-3',
      'damping: .85',
      'exact: true',
      'threads:',
      'regression: false',
      'export: [checkpoint, peft]',
    );
    const flags = ['--model', 'all-MiniLM-L6-v2', '--train', at('t.csv'), '--out', at('results')];
    flags.push('--text-columns', 'sentence', '--label-column', '1', '--samples', 'auto', '--lr', '1e-3');
    flags.push('--damping', '.85', '--exact', '--export', 'checkpoint,peft');
    expect(run('--config', name)).toEqual({ ...run(...flags), config: name });
    expect(run('--config', file(''), ...flags)).toMatchObject(run(...flags));
  });

  test('yields to flags in any position, and to flags that exclude its settings', () => {
    const name = file('model: m', 'train: t.csv', 'epochs: 7', 'seed: 3', 'k: 2', 'task: cola');
    expect(run('--config', name, '--epochs', '1')).toMatchObject({ epochs: 1, seed: 3, k: 2, task: 'cola' });
    const flags = run('--epochs', '1', '--budget', '0.1', '--text-columns', 'a', '--config', name);
    expect(flags).toMatchObject({ epochs: 1, seed: 3, budget: 0.1, textColumns: 'a' });
    expect([flags.k, flags.task]).toEqual([undefined, undefined]);
    const columns = file('model: m', 'train: t.csv', 'text-columns: a', 'label-column: b', 'regression: true');
    const { task, textColumns, labelColumn, regression } = run('--config', columns, '--task', 'cola');
    expect([task, textColumns, labelColumn, regression]).toEqual(['cola', undefined, undefined, undefined]);
    const named = run('--config', columns, '--problem', 'single-label');
    expect([named.problem, named.regression]).toEqual(['single-label', undefined]);
    expect(() => run('--config', file('model: m'))).toThrow(/required option '--train <file>' not specified/);
  });

  test("has paths relative to its folder; a model's name stays a name", () => {
    const home = os.homedir();
    const name = file('model: base', 'train: rows/t.csv', 'dev: ~/dev.csv', 'out: ../out');
    fs.mkdirSync(at('base'), { recursive: true });
    expect(run('--config', name)).toMatchObject({
      ...{
        model: at('base'),
        train: [at('rows/t.csv')],
        dev: path.join(home, 'dev.csv'),
        out: path.join(scratch, '../out'),
      },
    });
    const model = (name: string) => run('--config', file(`model: ${name}`, 'train: "-"')).model;
    expect(model('owner/name')).toBe('owner/name');
    expect(model('./nowhere')).toBe(at('nowhere'));
    expect(run('--config', file('model: m', 'train: "-"')).train).toEqual(['-']);
    const several = file('model: m', 'train: [t.csv, "rows, new"]', 'text-columns: [one, two]');
    expect(run('--config', several)).toMatchObject({ train: [at('t.csv'), at('rows, new')], textColumns: 'one,two' });
    // A flag takes precedence in any order.
    for (const words of [
      ['--config', several, '--train', 'x'],
      ['--train', 'x', '--config', several],
    ]) {
      expect(run(...words).train).toEqual(['x']);
    }
    // The folder is in the working folder, which the file cannot mean.
    expect(() => model('heads')).toThrow(/^model is "heads", a folder of the working folder and not of the file's/);
  });

  test.each<[string[], number, string]>([
    [['epoch: 5'], 1, 'there is no setting "epoch"; did you mean "epochs"?'],
    [['', 'max_length: 5'], 2, 'there is no setting "max_length"; did you mean "max-length"?'],
    [['', '', 'epochs: ten'], 3, 'epochs is "ten"; it must be a whole number from 1'],
    [['epochs: 1e1'], 1, 'epochs is "1e1"; it must be a whole number from 1'],
    [['epochs: [5]'], 1, 'epochs is "[5]"; it must be a whole number from 1'],
    [['lr: 0x10'], 1, 'lr is "0x10"; it must be a number above 0, or auto'],
    [['strategy: gradients'], 1, expect.stringMatching(/^strategy is "gradients"; .*did you mean "gradient"\?$/)],
    [['exact: "yes"'], 1, 'exact is "yes"; it must be true or false'],
    [
      ['label-column: true'],
      1,
      'label-column is true; it must be text, in quotes if YAML would read it as something else',
    ],
    [['lr: *rate'], 1, 'there is no anchor rate'],
    [['train: {a: 1}'], 1, 'train is {"a":1}; it must be text, in quotes if YAML would read it as something else'],
    [['text-columns: " "'], 1, 'text-columns is " "; it must be the name of a column'],
    [['export:', '  - tflite'], 2, 'export is "tflite"; it must be checkpoint, peft, onnx'],
    [['k: 1', 'k: 2'], 2, 'k is set in line 1 already; keep one of them'],
    [['budget: 0.1', 'k: 2'], 2, 'k excludes budget (line 1); keep one of them'],
    [['label-column: a', 'task: cola'], 2, 'task excludes label-column (line 1); keep one of them'],
    [['seed 5'], 1, 'a line must be KEY: VALUE, such as epochs: 5'],
    [['- 5'], 1, 'a line must be KEY: VALUE, such as epochs: 5'],
    [['seed: 1', 'k: "2'], 2, expect.stringMatching(/quote.*; a line must be KEY: VALUE, such as epochs: 5$/)],
  ])('%j is refused with its line', (lines, line, right) => {
    const name = file(...lines);
    let refused: unknown;
    try {
      run('--config', name);
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(HifiError);
    const { code, message } = refused as HifiError;
    expect([code, message.slice(0, name.length + 3)]).toEqual(['INVALID_INPUT', `${name}:${line}:`]);
    expect(message.slice(`${name}:${line}: `.length)).toEqual(right);
  });

  test('cannot set flags of the command line alone', () => {
    const name = file('resume: true');
    expect(() => run('--config', name)).toThrow(
      `${name}:1: resume can only be given on the command line: hifi run --config ${name} --resume`,
    );
  });

  test('that cannot be read is named with the nearest match', () => {
    fs.writeFileSync(at('hifi.yaml'), '');
    expect(() => run('--config', at('hfi.yaml'))).toThrow(/hfi\.yaml: no such file; did you mean "hifi\.yaml"\?$/);
    expect(() => run('--config', scratch)).toThrow(/cannot be read: it is a folder$/);
    fs.writeFileSync(at('latin.yaml'), Buffer.from([0x6b, 0x3a, 0xe9]));
    expect(() => run('--config', at('latin.yaml'))).toThrow(/latin\.yaml is not UTF-8 text$/);
  });
});

test('a run by a file equals the run by its flags, bit for bit, and each resumes the other', () => {
  const inputs = ['--model', path.join(fixtures, 'tiny-bert'), '--train', path.join(fixtures, 'tiny-data/train.tsv')];
  const flags = [
    ...inputs,
    '--text-columns',
    'sentence',
    '--label-column',
    'label',
    '--samples',
    '40',
    '--max-length',
    '48',
  ];
  flags.push('--k', '2', '--epochs', '2', '--lr', '0.01');
  const name = at('job.yaml');
  init(name, ...flags);
  const done = (...words: string[]) => {
    const { status, stderr } = hifi('run', ...words);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    return stderr;
  };
  done(...flags, '--out', at('by-flags'));
  done('--config', name, '--out', at('by-file'));
  for (const result of ['delta/delta.safetensors', 'delta/delta.json', 'checkpoint/model.safetensors']) {
    const [one, two] = ['by-flags', 'by-file'].map((out) => fs.readFileSync(at(out, result)));
    expect([result, one.equals(two)]).toEqual([result, true]);
  }
  const [heads, again] = ['by-flags', 'by-file'].map((out) => readHeads(at(out, 'heads.json')));
  expect({ ...again, elapsedSeconds: 0 }).toEqual({ ...heads, elapsedSeconds: 0 });
  expect(readMask(at('by-file', 'mask.json'))).toEqual(readMask(at('by-flags', 'mask.json')));
  const job = (out: string) => fs.readFileSync(at(out, 'state', 'job.json'), 'utf8');
  expect(job('by-file')).toBe(job('by-flags'));
  const resumed = done('--config', name, '--out', at('by-flags'), '--resume');
  for (const result of ['heads.json', 'mask.json', 'delta', 'checkpoint'])
    expect(resumed).toContain(`${result} is stored already\n`);
});
