import { type Command, Option } from 'commander';
import { type DataSource, LABEL_SEPARATOR } from '../data/dataset';
import { sourceFormat } from '../data/files';
import { DATA_FORMATS, type DataFormat } from '../data/format';
import { LABELS } from '../data/labels';
import { namedProblem, PROBLEM_TYPES } from '../data/problem';
import { TASK_NAMES, type TaskName } from '../data/tasks';
import { invalidInput } from '../foundation/errors';
import { aPath, headerName, oneOf, paths } from './flag-values';
import { add, addNeeded, type Flags } from './flags';
import { STDIN } from './stdin';

/**
 * Adds the data flags. @param labels false if the command needs no labels: its label flags are
 * accepted and ignored
 */
export function addDataFlags(command: Command, labels: boolean): void {
  command.optionsGroup('Data:');
  add(command, '--task <name>', `a GLUE task's own file layout: ${TASK_NAMES.join(', ')}`, oneOf('--task', TASK_NAMES));
  add(
    command,
    '--text-columns <a[,b]>',
    'header names of one or two text columns, instead of --task; a comma within a header does not split it',
    headerName('--text-columns', true),
  );
  const column = new Option('--label-column <y>', 'header name of the label column').argParser(
    headerName('--label-column'),
  );
  const problem = new Option(
    `--problem <${PROBLEM_TYPES.join('|')}>`,
    'problem to solve: predict a class, several labels, a number, a tag per word, or the relevance of a text to a query (default: single-label; a task sets its own)',
  ).argParser(oneOf('--problem', PROBLEM_TYPES));
  const regression = new Option('--regression', 'short for --problem regression');
  const columns = new Option(
    '--label-columns <a,b,…>',
    'header names of columns with 0 or 1, one per label, instead of --label-column; for --problem multi-label',
  ).argParser(headerName('--label-columns', true));
  const separator = new Option(
    '--label-separator <text>',
    `text between the labels of a cell, for --problem multi-label (default: ${LABEL_SEPARATOR})`,
  ).argParser(String);
  // One set of data flags then serves all commands.
  for (const option of [column, columns, separator, problem, regression]) command.addOption(option.hideHelp(!labels));
  add(
    command,
    '--format <tsv|csv|jsonl|parquet|txt|conll>',
    "the data's format (default: by the extension; txt: one text per line, without columns or labels; conll: one word per line, its tag last)",
    oneOf('--format', DATA_FORMATS),
  );
  add(
    command,
    '--delimiter <character>',
    'separator of CSV fields, such as ; (default: a comma; in TSV, where quotes are literal, a tab)',
    delimiter,
  );
}

/** Parses one character; `\\t` is a tab. Readers check which characters are allowed. */
const delimiter = (text: string) => {
  const character = text === '\\t' ? '\t' : text;
  if (character.length === 1) return character;
  throw invalidInput(`--delimiter is ${JSON.stringify(text)}; it must be one character, such as ; or \\t for a tab`);
};

/** Adds a flag for a command's rows: a file or folder. Repeated flags add further ones. */
export function addRowsFlag(command: Command, flag: '--train' | '--data', what: string): void {
  const { takes, repeated } = paths('file');
  // A flag replaces a setting of `--config`; it does not add to it.
  const parse = (text: string, before?: string[]) =>
    command.getOptionValueSource(flag.slice(2)) === 'cli' ? [...before!, text] : [text];
  const help = `${what}; a file, a folder of files of one format, or several: repeat the flag`;
  addNeeded(command, `${flag} <file>`, help, Object.assign(parse, { takes, repeated }));
}

/** Adds the flag for the rows that evaluate each epoch. */
export function addDevFlag(command: Command): void {
  const what = 'labelled rows that evaluate each epoch (default: a seeded tenth of --train, held out)';
  add(command, '--dev <file>', what, aPath('file'));
}

/**
 * Reads the group except the paths, which a function adds: a command may have two sources of one
 * layout. `--text-columns` and `--label-columns` remain one name each; `readable` splits them if
 * needed.
 *
 * @param known the task if no flag names the columns
 */
export function dataFlags(
  flags: Flags,
  labels: boolean,
  known?: TaskName,
): (paths: string | readonly string[]) => DataSource {
  const { labelColumn, labelSeparator, format, delimiter } = flags as Omit<Partial<DataSource>, 'path'>;
  const labelColumns = flags.labelColumns === undefined ? undefined : [flags.labelColumns as string];
  const labelled = {
    ...(labelColumn !== undefined && { labelColumn }),
    ...(labelColumns && { labelColumns }),
    ...(labelSeparator !== undefined && { labelSeparator }),
  };
  const problem = namedProblem(flags);
  const textColumns = flags.textColumns === undefined ? undefined : [flags.textColumns as string];
  const task = (flags.task as TaskName | undefined) ?? (textColumns ? undefined : known);
  if (task !== undefined && textColumns) {
    throw invalidInput(
      `--task ${task} and --text-columns are given; a task names its columns itself: give one of them`,
    );
  }
  if (task !== undefined) {
    const [given] = Object.keys(labelled);
    if (given !== undefined) {
      const flag = `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      throw invalidInput(`${flag} needs --text-columns; a task has its own label column`);
    }
    if (problem !== undefined) {
      const flag = flags.problem === undefined ? '--regression' : '--problem';
      throw invalidInput(`${flag} needs --text-columns; a task sets it itself`);
    }
  }
  return (paths) => {
    const [path, ...others] = typeof paths === 'string' ? [paths] : paths;
    const more = others.length > 0 && { more: others.map((other) => ({ path: other })) };
    const source: DataSource = { path, ...more, ...(format && { format }), ...(delimiter && { delimiter }) };
    const named = formatFor(source);
    if (named === 'txt' && !labels && !flags.task && !textColumns) return source;
    if (named === 'conll' && !task && !textColumns) return { ...source, ...(labels && problem && { problem }) };
    if (task !== undefined) return { ...source, task };
    if (!textColumns)
      throw invalidInput(
        `the text columns are missing; give --task (${TASK_NAMES.join(', ')}) or --text-columns a[,b]`,
      );
    if (labels && labelColumn === undefined && !labelColumns) {
      throw invalidInput('labels are needed here; give --label-column with --text-columns');
    }
    // A text may be a list of words, with labels or without.
    const words = problem !== undefined && LABELS[problem].words;
    return { ...source, textColumns, ...(labels && labelled), ...((labels || words) && problem && { problem }) };
  };
}

/** Returns the given format, or that of the file's name; standard input has no name. */
function formatFor(source: DataSource): DataFormat {
  const { path, more = [], format } = source;
  if (!format && [path, ...more.map((each) => each.path)].includes(STDIN)) {
    throw invalidInput(`${STDIN} is standard input, which has no extension; give --format ${DATA_FORMATS.join('|')}`);
  }
  return sourceFormat(source);
}
