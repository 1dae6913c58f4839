import type { DataSource, Dataset } from '../data/dataset';
import { encodeLabels, fitLabels, type Targets } from '../data/labels';
import type { LabelSet } from '../data/problem';
import { readDataset } from '../data/read';
import { within } from '../foundation/errors';

/** All rows of a comparison. */
export interface ComparedData {
  /** The file that training, dev and test rows are drawn from. */
  pool: Dataset;
  labels: LabelSet;
  /** The pool's classes, or numbers. // [n] */
  targets: Targets;
  /** Further files, all of whose rows are tested on, and their classes or numbers. */
  further: Dataset[];
  furtherTargets: Targets[];
}

/** @throws HifiError INVALID_INPUT for whatever is wrong with a file, a row or a label */
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
