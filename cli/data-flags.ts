import { type Command, Option } from 'commander';
import type { DataSource } from '../data/dataset';
import { sourceFormat } from '../data/files';
import { DATA_FORMATS, type DataFormat } from '../data/format';
import { namedProblem, PROBLEM_TYPES } from '../data/problem';
import { TASK_NAMES, type TaskName } from '../data/tasks';
import { invalidInput } from '../foundation/errors';
import { aPath, headerName, oneOf, paths } from './flag-values';
import { add, addNeeded, type Flags } from './flags';
import { STDIN } from './stdin';

/** @param labels whether the command needs labels; where it does not, its label flags are accepted and do nothing */
export function addDataFlags(command: Command, labels: boolean): void {
  command.optionsGroup('Data:');
  add(command, '--task <name>', `a GLUE task's own file layout: ${TASK_NAMES.join(', ')}`, oneOf('--task', TASK_NAMES));
  add(
    command,
    '--text-columns <a[,b]>',
    'header names of one or two text columns, instead of --task; a comma that is part of a header splits nothing',
    headerName('--text-columns', true),
  );
  const column = new Option('--label-column <y>', 'header name of the label column').argParser(
    headerName('--label-column'),
  );
  const problem = new Option(
    `--problem <${PROBLEM_TYPES.join('|')}>`,
    'what is predicted: a class, or a number (default: single-label; a task knows its own)',
  ).argParser(oneOf('--problem', PROBLEM_TYPES));
  const regression = new Option('--regression', 'short for --problem regression');
  // One set of data flags then serves all commands.
  for (const option of [column, problem, regression]) command.addOption(option.hideHelp(!labels));
  add(
    command,
    '--format <tsv|csv|jsonl|parquet|txt>',
    "the data's format (default: by the extension; txt: a text a line, no columns or labels)",
    oneOf('--format', DATA_FORMATS),
  );
  add(
    command,
    '--delimiter <character>',
    'what separates the fields of CSV, such as ; (default: a comma; in TSV, where quotes are literal, a tab)',
    delimiter,
  );
}

/** Parses one character; `\\t` is a tab. Readers check which characters are allowed. */
const delimiter = (text: string) => {
  const character = text === '\\t' ? '\t' : text;
  if (character.length === 1) return character;
  throw invalidInput(`--delimiter is ${JSON.stringify(text)}; it must be one character, such as ; or \\t for a tab`);
};

/** Adds a flag for a command's rows: a file or folder. A repeated flag adds further ones. */
export function addRowsFlag(command: Command, flag: '--train' | '--data', what: string): void {
  const { takes, repeated } = paths('file');
  // A flag takes precedence over a setting of `--config`: it does not add to it.
  const parse = (text: string, before?: string[]) =>
    command.getOptionValueSource(flag.slice(2)) === 'cli' ? [...before!, text] : [text];
  const told = `${what}; a file, a folder of files of one format, or several: repeat the flag`;
  addNeeded(command, `${flag} <file>`, told, Object.assign(parse, { takes, repeated }));
}

/** The rows that the epochs are judged by. */
export function addDevFlag(command: Command): void {
  const what = 'labelled rows to judge the epochs by (default: a seeded tenth of --train, held out)';
  add(command, '--dev <file>', what, aPath('file'));
}

/**
 * Reads the group except the paths, which a function adds: a command may have two sources of one
 * layout. `--text-columns` remains one name in it; `madeReadable` splits the name if needed.
 * @param known the task where no flag tells what to read
 */
export function dataFlags(
  flags: Flags,
  labels: boolean,
  known?: TaskName,
): (paths: string | readonly string[]) => DataSource {
  const { labelColumn, format, delimiter } = flags as Omit<Partial<DataSource>, 'path'>;
  const problem = namedProblem(flags);
  const textColumns = flags.textColumns === undefined ? undefined : [flags.textColumns as string];
  const task = (flags.task as TaskName | undefined) ?? (textColumns ? undefined : known);
  if (task !== undefined && textColumns) {
    throw invalidInput(
      `--task ${task} and --text-columns are given; a task names its columns itself: give one of them`,
    );
  }
  if (task !== undefined) {
    if (labelColumn !== undefined) throw invalidInput('--label-column goes with --text-columns, a task names its own');
    if (problem !== undefined) {
      const flag = flags.problem === undefined ? '--regression' : '--problem';
      throw invalidInput(`${flag} goes with --text-columns, a task knows by itself`);
    }
  }
  return (paths) => {
    const [path, ...others] = typeof paths === 'string' ? [paths] : paths;
    const more = others.length > 0 && { more: others.map((other) => ({ path: other })) };
    const source: DataSource = { path, ...more, ...(format && { format }), ...(delimiter && { delimiter }) };
    if (formatFor(source) === 'txt' && !labels && !flags.task && !textColumns) return source;
    if (task !== undefined) return { ...source, task };
    if (!textColumns) throw invalidInput(`which texts? give --task (${TASK_NAMES.join(', ')}) or --text-columns a[,b]`);
    if (labels && labelColumn === undefined) {
      throw invalidInput('labels are needed here: give --label-column with --text-columns');
    }
    return { ...source, textColumns, ...(labels && { labelColumn, ...(problem && { problem }) }) };
  };
}

/** The format that is said, or that the name tells; standard input has no name. */
function formatFor(source: DataSource): DataFormat {
  const { path, more = [], format } = source;
  if (!format && [path, ...more.map((each) => each.path)].includes(STDIN)) {
    throw invalidInput(
      `${STDIN} is standard input, which has no name to tell the format: give --format ${DATA_FORMATS.join('|')}`,
    );
  }
  return sourceFormat(source);
}
