import { invalidInput } from '../foundation/errors';
import type { Dataset } from './dataset';
import { type LabelReading, labelsOf, listOf, refusedLabel, sortNames } from './label-reading';
import type { RowCells } from './row-cells';
import { classText, TASKS } from './tasks';

/** Labels of the problem `single-label`: a class per row. Targets are class indices. */
export const CLASS_LABELS: LabelReading = {
  named: true,
  several: false,
  pairs: false,
  read: classOf,
  names: classNames,
  encode: classIndices,
  strata: (targets: ArrayLike<number>) => ({ of: targets }),
  described: (names) => `${names.length} classes`,
};

function classOf(cells: RowCells): string {
  const { task, labels } = cells.layout;
  const [column] = labels;
  const text = cells.text(column).trim();
  if (task !== undefined) return classText(TASKS[task], text);
  const { name, classes } = column;
  if (!classes) return text;
  const found = classes[Number(text)];
  if (found !== undefined) return found;
  throw cells.refused(`has the class ${text} in the column "${name}"; the schema has 0 to ${classes.length - 1}`);
}

function classNames(train: Dataset): readonly string[] {
  const found = [...new Set(labelsOf(train) as string[])];
  const names = train.task ? TASKS[train.task].labels.names : sortNames([...found]);
  if (train.task) classIndices(train, names, `the task ${train.task} has`);
  if (found.length < 2) {
    throw invalidInput(`${train.path}: all ${train.rows} rows have the label "${found[0]}"; two classes are needed`);
  }
  return names;
}

function classIndices(dataset: Dataset, names: readonly string[], owner: string): Int32Array {
  const classOf = new Map(names.map((name, index) => [name, index]));
  return Int32Array.from(labelsOf(dataset) as string[], (label, index) => {
    const known = classOf.get(label);
    if (known === undefined) throw refusedLabel(dataset, index, label, `${owner} ${listOf(names)}`);
    return known;
  });
}
