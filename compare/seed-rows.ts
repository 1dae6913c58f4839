import * as fs from 'node:fs';
import * as path from 'node:path';
import { type DataSource, type Dataset, selectRows } from '../data/dataset';
import { jsonLines, jsonLinesSource } from '../data/json-lines';
import { LABELS } from '../data/labels';
import { NO_CLASSES } from '../data/problem';
import { metricsOf } from '../delta/problems';
import { invalidInput } from '../foundation/errors';
import { writeWhole } from '../foundation/whole-file';
import type { ComparedData } from './data';
import { COMPARED } from './problems';
import { type Seeds, type Split, splitRows, type TrainingSize } from './split';

/** The files of one seed's rows, as engines read them. */
export interface SeedRows {
  split: Split;
  train: DataSource;
  dev: DataSource;
  /** Test rows: no training or choice used them; plus the rows of further files. */
  test: DataSource;
  counts: { train: number; dev: number; test: number };
  /** True if the metric is undefined on the dev rows: their loss then chooses. */
  byLoss: boolean;
}

/**
 * Splits a seed's rows, without those of further files.
 *
 * @throws HifiError INVALID_INPUT if there are too few rows, of a class or in all, or none to test
 */
export function seedSplit(
  { further, targets, labels }: ComparedData,
  size: TrainingSize & { dev?: number },
  seeds: Seeds,
): Split {
  const { seed } = seeds;
  const { classes: classesOf, rowsOf, units, labels: labelsOf } = COMPARED[labels.problem];
  const classes = classesOf(targets);
  const strata = { of: classes, units: units?.(targets), rowsOf: (of: number) => rowsOf(labels.names[of]) };
  const split = splitRows(strata, size, seeds, size.dev);
  const drawn = new Set(
    Array.from(split.train, (row) => Array.from(labelsOf?.(targets[row]) ?? [classes[row]])).flat(),
  );
  // With several labels per row the file of each seed has a column for every label.
  const missing = LABELS[labels.problem].several ? -1 : labels.names.findIndex((_, index) => !drawn.has(index));
  if (missing >= 0) {
    const orPerClass = NO_CLASSES[labels.problem] === undefined ? ', or --rows-per-class' : '';
    throw invalidInput(
      `seed ${seed}: none of the ${split.train.length} training rows has the label "${labels.names[missing]}"; give more --rows${orPerClass}`,
    );
  }
  if (split.test.length > 0 || further.length > 0) return split;
  throw invalidInput('no row is left for the test: give fewer --rows, or --test files');
}

/**
 * Writes a seed's rows as JSONL into `folder`, each file whole; existing files stay.
 *
 * @throws as {@link seedSplit}
 */
export function seedRows(
  data: ComparedData,
  size: TrainingSize & { dev?: number },
  seeds: Seeds,
  folder: string,
): SeedRows {
  const { pool, further, targets, labels } = data;
  const { several } = LABELS[labels.problem];
  const split = seedSplit(data, size, seeds);
  const testRows = split.test.length + further.reduce((sum, { rows }) => sum + rows, 0);
  const write = (name: string, sets: readonly Dataset[]): DataSource => {
    const file = path.join(folder, `${name}.jsonl`);
    const [first, ...others] = sets;
    const all = [several ? { ...first, labelNames: labels.names } : first, ...others];
    if (!fs.existsSync(file)) writeWhole(file, jsonLines(all));
    return jsonLinesSource(file, all[0]);
  };
  return {
    split,
    train: write('train', [selectRows(pool, split.train)]),
    dev: write('dev', [selectRows(pool, split.dev)]),
    test: write('test', [selectRows(pool, split.test), ...further]),
    byLoss: metricsOf(pool.task, labels).isUndefinedOn(Array.from(split.dev, (row) => targets[row])),
    counts: { train: split.train.length, dev: split.dev.length, test: testRows },
  };
}
