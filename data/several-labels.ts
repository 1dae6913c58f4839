import { invalidInput } from '../foundation/errors';
import { type Dataset, LABEL_SEPARATOR } from './dataset';
import { type LabelReading, labelsOf, listOf, refusedLabel, sortNames } from './label-reading';
import type { RowCells } from './row-cells';

/**
 * Labels of the problem `multi-label`: any number of names per row. A target has 1 for each label
 * that the row has, else 0. // [C]
 */
export const SEVERAL_LABELS: LabelReading = {
  named: true,
  several: true,
  pairs: false,
  read: (cells) => (cells.layout.labelNames ? namesByColumn(cells) : namesInCell(cells)),
  names: labelNames,
  encode,
  strata: (targets: ArrayLike<Uint8Array>) => ({ of: rarestLabels(targets) }),
  described: ({ length }) => `any of ${length} labels`,
};

/** Names of the columns that have 1. */
function namesByColumn(cells: RowCells): string[] {
  const chosen = cells.layout.labels.filter((column) => {
    const text = cells.text(column, true).trim();
    if (/^[01](\.0*)?$/.test(text)) return Number(text) === 1;
    if (/^(true|false)$/i.test(text)) return text.length === 4;
    throw cells.refused(`has ${JSON.stringify(text)} in the column "${column.name}"; a label's column has 0 or 1`);
  });
  return chosen.map(({ name }) => name);
}

/** Names in a list, or in a text with separators; each once, in the cell's order. */
function namesInCell(cells: RowCells): string[] {
  const { labels, separator = LABEL_SEPARATOR } = cells.layout;
  const [column] = labels;
  const { name, at, classes } = column;
  const items = cells.record.list?.(at) ?? cells.text(column, true).split(separator);
  const names = items.map((item) => item.trim()).filter((item) => item !== '');
  if (!classes) return [...new Set(names)];
  const wrong = names.find((item) => classes[Number(item)] === undefined);
  if (wrong === undefined) return [...new Set(names.map((item) => classes[Number(item)]))];
  throw cells.refused(`has the class ${wrong} in the column "${name}"; the schema has 0 to ${classes.length - 1}`);
}

function labelNames(train: Dataset): readonly string[] {
  const found = new Set((labelsOf(train) as string[][]).flat());
  if (found.size > 0) return sortNames([...(train.labelNames ?? found)]);
  throw invalidInput(`${train.path}: none of the ${train.rows} rows has a label; at least one is needed`);
}

function encode(dataset: Dataset, names: readonly string[], owner: string): Uint8Array[] {
  const lacking = dataset.labelNames && names.find((name) => !dataset.labelNames?.includes(name));
  if (lacking !== undefined) {
    throw invalidInput(
      `${dataset.path}: --label-columns lacks "${lacking}"; name the column of each label: ${owner} ${listOf(names)}`,
    );
  }
  const indexOf = new Map(names.map((name, index) => [name, index]));
  return (labelsOf(dataset) as string[][]).map((labels, row) => {
    const target = new Uint8Array(names.length);
    for (const label of labels) {
      const index = indexOf.get(label);
      if (index === undefined) throw refusedLabel(dataset, row, label, `${owner} ${listOf(names)}`);
      target[index] = 1;
    }
    return target;
  });
}

/** Index of each row's label that the fewest rows have, C for a row without labels. // [n] */
export function rarestLabels(targets: ArrayLike<Uint8Array>): Int32Array {
  const counts = rowsByLabel(targets);
  return Int32Array.from(targets, (target) => {
    let rarest = counts.length;
    for (const [label, has] of target.entries()) {
      if (has && (rarest === counts.length || counts[label] < counts[rarest])) rarest = label;
    }
    return rarest;
  });
}

/** Number of rows that have each label. // [C] */
export function rowsByLabel(targets: ArrayLike<Uint8Array>): Int32Array {
  const counts = new Int32Array(targets[0].length);
  for (const target of Array.from(targets)) for (const [label, has] of target.entries()) counts[label] += has;
  return counts;
}
