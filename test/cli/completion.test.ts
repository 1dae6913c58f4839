import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { STRATEGIES } from '../../heads/mask';
import { onTerminal } from '../support/terminal';
import { hasTool } from '../support/tools';
import { hifi } from './spawn';

/* Tests the scripts of `hifi completion` in their shells: the line that a Tab produces. */
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-completion-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

beforeAll(() => {
  fs.mkdirSync(path.join(scratch, 'runs'));
  for (const name of ['rows of text.csv', 'mask.json']) fs.writeFileSync(path.join(scratch, name), '');
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { status, stdout, stderr } = hifi('completion', shell);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    fs.writeFileSync(path.join(scratch, `hifi.${shell}`), stdout);
  }
});

/**
 * Typed text, and the words that the command then receives. zsh drops a folder's last / when Enter
 * is pressed.
 */
const LINES: [typed: string, words: string[]][] = [
  ['hifi eva\t', ['evaluate']],
  ['hifi ru\t--strat\thifi-m\t', ['run', '--strategy', 'hifi-mid-top']],
  ['hifi run --strategy=magn\t', ['run', '--strategy=magnitude']],
  ['hifi run --task col\t', ['run', '--task', 'cola']],
  ['hifi run --export checkpoint,pe\t', ['run', '--export', 'checkpoint,peft']],
  ['hifi run --export=peft,on\t', ['run', '--export=peft,onnx']],
  ['hifi run --train "rows\t', ['run', '--train', 'rows of text.csv']],
  ['hifi train --mask ma\t--train=ro\t', ['train', '--mask', 'mask.json', '--train=rows of text.csv']],
  ['hifi run --model all-M\t', ['run', '--model', 'all-MiniLM-L6-v2']],
  ['hifi run --model=ru\t', ['run', '--model=runs/']],
  // A value with a command's name is no command.
  ['hifi analyze --out run --corr\tcov\t', ['analyze', '--out', 'run', '--correlation', 'covariance']],
  ['hifi jobs wa\t--nat\t', ['jobs', 'watch', '--nats']],
  ['hifi jobs list --state succ\t', ['jobs', 'list', '--state', 'succeeded']],
  ['hifi serve tra\t', ['serve', 'trainer']],
  ['hifi completion f\t', ['completion', 'fish']],
  ['hifi help comparx\t', ['help', 'comparx']],
];

/** Types the lines into a shell in which a function prints the command's arguments. */
async function given(shell: string, before: string): Promise<string[][]> {
  const printer = `hifi() { printf '<%s>' "$@"; echo; }`;
  const typed = [before, printer, ...LINES.map(([line]) => line), 'exit'].map((line) => `${line}\r`).join('');
  const { shown } = await onTerminal(`exec ${shell}`, { typed, cwd: scratch, env: { NODE_OPTIONS: '' } });
  const lines = shown.split(/[\r\n]+/).filter((line) => /^(<[^>]*>)+$/.test(line));
  return lines.map((line) => line.slice(1, -1).split('><'));
}

const withoutSlash = (words: string[]) => words.map((word) => word.replace(/\/$/, ''));
/** Splits a flag from its value, which zsh joins. */
const apart = (words: string[]) => words.flatMap((word) => (word.startsWith('--') ? word.split('=') : [word]));
const comparable = (lines: string[][]) => lines.map((words) => apart(withoutSlash(words)));
const wanted = comparable(LINES.map(([, words]) => words));

test('bash completes a line on a terminal', async () => {
  const lines = await given('bash --norc --noprofile -i', 'source hifi.bash');
  expect(comparable(lines)).toEqual(wanted);
});

test('bash lists all choices', async () => {
  const lines = [
    "bind 'set show-all-if-ambiguous on'",
    'hifi() { :; }',
    'source hifi.bash',
    'hifi score --strategy \t',
    'exit',
  ];
  const typed = lines.map((line) => `${line}\r`).join('');
  const { shown } = await onTerminal('exec bash --norc --noprofile -i', { typed, cwd: scratch, columns: 60 });
  for (const name of ['gradient', 'grad-l1', 'fisher', 'movement', 'alps', 'gate', 'contrast'])
    expect(shown).toMatch(new RegExp(`^${name} |  ${name}`, 'm'));
  expect(shown).not.toMatch(/correlation-only/);
});

/** Runs a test of a shell that may be missing; without it the test is skipped with a message. */
function where(shell: string, name: string, body: () => Promise<void>): void {
  if (hasTool(shell)) {
    test(name, body);
    return;
  }
  process.stderr.write(`${name}: left out, there is no ${shell} here\n`);
  test.skip(`${name} (there is no ${shell} here)`, body);
}

where('zsh', 'zsh completes a line on a terminal', async () => {
  const before = "autoload -U compinit; compinit -u -D; zstyle ':completion:*' insert-tab false; source hifi.zsh";
  expect(comparable(await given('zsh -f -i', before))).toEqual(wanted);
});

where('fish', 'fish completes a line', async () => {
  const candidates = (line: string) => {
    const command = `source hifi.fish; complete -C ${JSON.stringify(line)}`;
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', command], { cwd: scratch, encoding: 'utf8' });
    expect(stderr).toBe('');
    return stdout
      .split('\n')
      .filter((each) => each !== '')
      .map((each) => each.split('\t')[0]);
  };
  expect(candidates('hifi run --strategy ').toSorted()).toEqual([...STRATEGIES].toSorted());
  expect(candidates('hifi run --export checkpoint,p')).toEqual(['checkpoint,peft']);
  expect(candidates('hifi run --export=checkpoint,o')).toEqual(['--export=checkpoint,onnx']);
  expect(candidates('hifi export --onnx-dtype=q8,fp1')).toEqual(['--onnx-dtype=q8,fp16']);
  expect(candidates('hifi run --train ro')).toEqual(['rows of text.csv']);
  expect(candidates('hifi run --out r')).toEqual(['runs/']);
  expect(candidates('hifi run --model ').toSorted()).toEqual(['all-MiniLM-L6-v2', 'all-mpnet-base-v2', 'runs/']);
  expect(candidates('hifi jobs ').toSorted()).toEqual(['cancel', 'delete', 'help', 'list', 'show', 'watch']);
  expect(candidates('hifi jobs list --st')).toEqual(['--state']);
  expect(candidates('hifi analyze --out run --tun')).toEqual([]);
  expect(candidates('hifi serve ').toSorted()).toEqual(['all', 'analyzer', 'gateway', 'trainer']);
  expect(candidates('hifi run --epochs ')).toEqual([]);
});

test('the completed words are those that --help shows', () => {
  const script = fs.readFileSync(path.join(scratch, 'hifi.bash'), 'utf8');
  const words = (command: string) =>
    new RegExp(`^    '${command}'\\) flags='([^']*)'`, 'm').exec(script)?.[1].split(' ');
  const shown = (...command: string[]) =>
    [...hifi(...command, '--help').stdout.matchAll(/^ {2}(?:-h, )?(--[a-z0-9-]+)/gm)].map(([, flag]) => flag);
  for (const command of ['run', 'evaluate', 'jobs watch']) {
    const flags = words(command)?.filter((word) => word !== '-h');
    expect([command, flags?.toSorted()]).toEqual([command, shown(...command.split(' ')).toSorted()]);
  }
  const commands = [...hifi('--help').stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
  expect(commands).toEqual(expect.arrayContaining(['run', 'init', 'jobs', 'completion', 'doctor']));
  // `help` has no flags of its own.
  for (const command of commands.filter((name) => name !== 'help')) {
    expect([command, words(command)]).toEqual([command, expect.arrayContaining(['--help'])]);
  }
});

test('another shell is refused', () => {
  expect(hifi('completion', 'csh')).toMatchObject({
    status: 2,
    stdout: '',
    stderr: 'hifi: the shell is "csh"; it must be bash, zsh, fish; did you mean "zsh"?\n',
  });
});
