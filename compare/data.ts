import type { DataSource, Dataset } from '../data/dataset';
import type { Targets } from '../data/label-reading';
import { encodeLabels, fitLabels } from '../data/labels';
import type { LabelSet } from '../data/problem';
import { readDataset } from '../data/read';
import { within } from '../foundation/errors';
import type { Split } from './split';

/** All rows of a comparison. */
export interface ComparedData {
  /** File that training, dev and test rows are drawn from. */
  pool: Dataset;
  labels: LabelSet;
  /** Class, or number for a regression, of each row of the pool. // [n] */
  targets: Targets;
  /** Further files, all rows of which are test rows, and their classes or numbers. */
  further: Dataset[];
  furtherTargets: Targets[];
}

/** @throws HifiError INVALID_INPUT for any fault of a file, a row or a label */
export async function readComparedData(train: DataSource, test: readonly DataSource[]): Promise<ComparedData> {
  const pool = await within('train', () => readDataset(train, 'labels'));
  const labels = await within('train', () => fitLabels(pool));
  const targets = await within('train', () => encodeLabels(pool, labels));
  const further: Dataset[] = [];
  const furtherTargets: Targets[] = [];
  for (const source of test) {
    const dataset = await within('test', () => readDataset(source, 'labels'));
    furtherTargets.push(await within('test', () => encodeLabels(dataset, labels)));
    further.push(dataset);
  }
  return { pool, labels, targets, further, furtherTargets };
}

/** Classes of some rows of a problem with one class per row. */
export const classesOf = (targets: Targets, rows: Int32Array) => Array.from(rows, (row) => targets[row] as number);

/** Classes of a seed's test rows, those of further files last. */
export const testClasses = ({ targets, furtherTargets }: ComparedData, { test }: Split) => [
  ...classesOf(targets, test),
  ...furtherTargets.flatMap((values) => Array.from(values as ArrayLike<number>)),
];
