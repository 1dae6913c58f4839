import { type EmbeddingLimits, type Encoded, encodeRows } from '../data/batches';
import { type DataSource, type Dataset, mismatchedRows, selectRows } from '../data/dataset';
import { encodeLabels, fitLabels, type Targets } from '../data/labels';
import type { LabelSet } from '../data/problem';
import { readDataset } from '../data/read';
import { holdOut } from '../data/split';
import { within } from '../foundation/errors';
import type { Checkpoint } from '../model/checkpoint';
import type { Tokenizer } from '../model/tokenizer';

/** Rows as the engine takes them. */
export interface LabelledRows {
  dataset: Dataset;
  encoded: Encoded[];
  /** Class indices, or numbers. // [n] */
  targets: Targets;
}

/** What a run trains on and what it is judged on. */
export interface TrainingInputs {
  labels: LabelSet;
  train: LabelledRows;
  dev: LabelledRows;
  /** MNLI's second dev file, where it lies beside the first. */
  mismatched?: LabelledRows;
}

/** Tokens that a row is cut at: what was asked for, or the model's own limit where that is lower. */
export const tokenLimit = (checkpoint: Checkpoint, maxLength: number) =>
  Math.min(maxLength, checkpoint.config.maxPositions);

/**
 * Reads the training rows and the dev rows (a seeded tenth of the former where no file is given), fits the labels to the
 * training rows and tokenizes all.
 *
 * @throws INVALID_INPUT for whatever is wrong with a file, a row or a label
 */
export async function readInputs(
  source: { train: DataSource; dev?: DataSource },
  tokenizer: Tokenizer,
  { maxLength, seed, limits }: { maxLength: number; seed: number; limits: EmbeddingLimits },
): Promise<TrainingInputs> {
  const whole = await within('train', () => readDataset(source.train, 'labels'));
  const labels = await within('train', () => fitLabels(whole));
  const encode = (dataset: Dataset): LabelledRows => ({
    dataset,
    targets: encodeLabels(dataset, labels),
    encoded: encodeRows(dataset, allRows(dataset), tokenizer, maxLength, limits),
  });
  if (!source.dev) {
    const { train, dev } = holdOut(whole.rows, seed);
    return within('train', () => ({
      labels,
      train: encode(selectRows(whole, train)),
      dev: encode(selectRows(whole, dev)),
    }));
  }
  const second = mismatchedRows(source.dev);
  const read = (rows: DataSource) => within('dev', async () => encode(await readDataset(rows, 'labels')));
  return {
    labels,
    train: await within('train', () => encode(whole)),
    dev: await read(source.dev),
    mismatched: second && (await read(second)),
  };
}

/** Every row, as indices. */
export const allRows = (dataset: Dataset) => Int32Array.from({ length: dataset.rows }, (_, row) => row);
