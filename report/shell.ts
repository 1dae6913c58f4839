import type { DataSource } from '../data/dataset';
import { namedProblem } from '../data/problem';
import type { TrainOptions } from '../delta/training-options';

/** Name and value of a flag. `true`: a flag without a value; `false` and undefined: no flag. */
export type Flag = readonly [name: string, value: unknown];

/** Characters per line. */
const WIDTH = 92;

/** Formats a command for a POSIX shell, with line continuations. */
export function commandText(start: string, flags: readonly Flag[]): string {
  const lines = [start];
  for (const [name, value] of flags) {
    if (value === undefined || value === false) continue;
    const word = value === true ? `--${name}` : `--${name} ${shellWord(String(value))}`;
    const last = lines.length - 1;
    if (lines[last].length + word.length + 3 > WIDTH) lines.push(`  ${word}`);
    else lines[last] += ` ${word}`;
  }
  return lines.join(' \\\n');
}

/** Quotes a text as one word of a POSIX shell. */
export const shellWord = (text: string) =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** Flags for a source's files; standard input is a dash. */
export const fileFlags = (name: string, { path, more = [] }: Pick<DataSource, 'path' | 'more'>): Flag[] =>
  [path, ...more.map((each) => each.path)].map((file) => [name, file === 'stdin' ? '-' : file]);

/** Flags for a training's loss and thresholds; a file of weights has a placeholder. */
export const labelFlags = ({ classWeights, labelSmoothing, threshold }: Partial<TrainOptions>): Flag[] => [
  ['class-weights', typeof classWeights === 'object' ? 'WEIGHTS.json' : classWeights],
  ['label-smoothing', labelSmoothing],
  ['threshold', threshold],
];

/** Flags for rows with more tokens than a model reads. */
export const longTextFlags = ({ longTexts, stride }: Pick<Partial<TrainOptions>, 'longTexts' | 'stride'>): Flag[] => [
  ['long-texts', longTexts],
  ['stride', stride],
];

/** Flags for a file's columns. @param known task, if the rows do not name it */
export function columnFlags(source: Omit<DataSource, 'path'>, known?: string): Flag[] {
  const { task, textColumns, labelColumn, labelColumns, labelSeparator, format, delimiter } = source;
  const named = task ?? (textColumns ? undefined : known);
  return [
    ['task', named],
    ['text-columns', named === undefined ? textColumns?.join(',') : undefined],
    ['label-column', labelColumn],
    ['label-columns', labelColumns?.join(',')],
    ['label-separator', labelSeparator],
    ['problem', namedProblem(source)],
    ['format', format],
    ['delimiter', delimiter],
  ];
}
