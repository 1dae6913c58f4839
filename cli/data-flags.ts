import { type Command, Option } from 'commander';
import type { DataSource } from '../data/dataset';
import { DATA_FORMATS, type DataFormat, formatOf } from '../data/format';
import { TASK_NAMES, type TaskName } from '../data/tasks';
import { invalidInput } from '../errors';
import { aPath, names, oneOf } from './flag-values';
import { add, type Flags } from './flags';
import { STDIN } from './stdin';

/** @param labels whether the command needs labels; where it does not, its label flags are accepted and do nothing */
export function addDataFlags(command: Command, labels: boolean): void {
  command.optionsGroup('Data:');
  add(command, '--task <name>', `a GLUE task's own file layout: ${TASK_NAMES.join(', ')}`, oneOf('--task', TASK_NAMES));
  add(
    command,
    '--text-columns <a[,b]>',
    'header names of one or two text columns, instead of --task',
    names('--text-columns', 2),
  );
  const column = new Option('--label-column <y>', 'header name of the label column').argParser(
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

/** The rows that the epochs are judged by. */
export function addDevFlag(command: Command): void {
  const what = 'labelled rows to judge the epochs by (default: a seeded tenth of --train, held out)';
  add(command, '--dev <file>', what, aPath('file'));
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
