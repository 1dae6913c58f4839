import type { Encoded } from '../data/batches';
import { type DataSource, type Dataset, mismatchedRows, selectRows } from '../data/dataset';
import { duplicatesOf } from '../data/duplicates';
import type { Target, Targets } from '../data/label-reading';
import { encodeLabels, fitLabels, strataOf } from '../data/labels';
import type { LabelSet } from '../data/problem';
import { readDataset } from '../data/read';
import { holdOut } from '../data/split';
import { type ReadingModel, type WindowedRows, windowRows, windowTarget } from '../data/windows';
import type { WindowOptions } from '../data/word-windows';
import { within } from '../foundation/errors';
import type { Checkpoint } from '../model/checkpoint';
import type { Tokenizer } from '../model/tokenizer';

/** Labelled rows, tokenized for the engine. */
export interface LabelledRows {
  dataset: Dataset;
  /** Windows of all rows; a training row has one. */
  encoded: Encoded[];
  windows: WindowedRows;
  targets: Targets;
}

/** Targets of a batch of rows of one window each, as the loss takes them. */
export const targetsOf = (
  { encoded, targets }: Pick<LabelledRows, 'encoded' | 'targets'>,
  batch: Int32Array,
): Target[] => Array.from(batch, (row) => windowTarget(encoded[row], targets[row]));

/** Training rows and evaluation rows of a run. */
export interface TrainingInputs {
  labels: LabelSet;
  train: LabelledRows;
  dev: LabelledRows;
  /** MNLI's second dev file, if it is beside the first. */
  mismatched?: LabelledRows;
  /** Number of dev rows with the texts of a training row. */
  duplicates: number;
}

/** Token limit of a row: the requested length, or the model's own limit if it is lower. */
export const tokenLimit = (checkpoint: Checkpoint, maxLength: number) =>
  Math.min(maxLength, checkpoint.config.maxPositions);

/**
 * Reads the training rows and the dev rows, fits the labels to the training rows and tokenizes all.
 * Without a dev file the dev rows are a hold-out split: a seeded tenth of the training rows.
 *
 * @param options rules for long dev rows; long training rows are cut
 * @throws HifiError INVALID_INPUT for a bad file, row or label
 */
export async function readInputs(
  source: { train: DataSource; dev?: DataSource },
  tokenizer: Tokenizer,
  { seed, model, ...windows }: WindowOptions & { seed: number; model: ReadingModel },
): Promise<TrainingInputs> {
  const whole = await within('train', () => readDataset(source.train, 'labels'));
  const labels = await within('train', () => fitLabels(whole));
  const encode = (dataset: Dataset, options: WindowOptions = windows): LabelledRows => {
    const encoded = windowRows(dataset, tokenizer, options, model);
    return { dataset, targets: encodeLabels(dataset, labels), encoded: encoded.windows, windows: encoded };
  };
  const encodeTrain = (dataset: Dataset) => encode(dataset, { ...windows, longTexts: 'cut' });
  if (!source.dev) {
    return within('train', () => {
      const { train, dev } = holdOut(strataOf(encodeLabels(whole, labels), labels), seed);
      const [trainRows, devRows] = [selectRows(whole, train), selectRows(whole, dev)];
      const duplicates = duplicatesOf(trainRows, devRows);
      return { labels, train: encodeTrain(trainRows), dev: encode(devRows), duplicates };
    });
  }
  const second = mismatchedRows(source.dev);
  const read = (rows: DataSource) => within('dev', async () => encode(await readDataset(rows, 'labels')));
  const train = await within('train', () => encodeTrain(whole));
  const dev = await read(source.dev);
  const mismatched = second && (await read(second));
  return { labels, train, dev, mismatched, duplicates: duplicatesOf(whole, dev.dataset) };
}

/** Indices of all rows. */
export const allRows = (dataset: Dataset) => Int32Array.from({ length: dataset.rows }, (_, row) => row);
