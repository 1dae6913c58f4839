import type { DataSource } from '../data/dataset';
import { namedProblem } from '../data/problem';

/** A flag's name and value: `true` is a flag without one, `false` and undefined are none. */
export type Flag = readonly [name: string, value: unknown];

/** Characters of a line. */
const WIDTH = 92;

/** A command with its flags, as a POSIX shell reads it, on lines that it reads as one. */
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

/** As a POSIX shell takes it for one word. */
export const shellWord = (text: string) =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** Flags that name a source's files; standard input is a dash. */
export const fileFlags = (name: string, { path, more = [] }: Pick<DataSource, 'path' | 'more'>): Flag[] =>
  [path, ...more.map((each) => each.path)].map((file) => [name, file === 'stdin' ? '-' : file]);

/** How a file's columns were named. @param known the task, where the rows do not tell it */
export function columnFlags(source: Omit<DataSource, 'path'>, known?: string): Flag[] {
  const { task, textColumns, labelColumn, format, delimiter } = source;
  const named = task ?? (textColumns ? undefined : known);
  return [
    ['task', named],
    ['text-columns', named === undefined ? textColumns?.join(',') : undefined],
    ['label-column', labelColumn],
    ['problem', namedProblem(source)],
    ['format', format],
    ['delimiter', delimiter],
  ];
}
