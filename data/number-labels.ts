import type { Dataset } from './dataset';
import { isNumber, type LabelReading, labelsOf, refusedLabel } from './label-reading';
import type { RowCells } from './row-cells';

/** Text of a row's one label. */
export const labelText = (cells: RowCells) => cells.text(cells.layout.labels[0]).trim();

/** Labels of the problem `regression`: a number per row, which is its target. */
export const NUMBER_LABELS: LabelReading = {
  named: false,
  several: false,
  pairs: false,
  read: labelText,
  names: () => [],
  encode: (dataset) => numbers(dataset, Number.isFinite, 'a regression needs a finite number'),
  strata: ({ length }) => ({ of: new Int32Array(length) }),
  described: () => 'a regression',
};

/**
 * Labels as float32 numbers.
 * @param right what would be right, for messages
 * @throws HifiError INVALID_INPUT, with row and label, for a label that is no valid number
 */
export function numbers(dataset: Dataset, isValid: (value: number) => boolean, right: string): Float32Array {
  return Float32Array.from(labelsOf(dataset) as string[], (label, index) => {
    const value = isNumber(label) ? Math.fround(Number(label)) : Number.NaN;
    if (!isValid(value)) throw refusedLabel(dataset, index, label, right);
    return value;
  });
}
