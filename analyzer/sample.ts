import { type Encoded, encodeRows, type RowEncoder } from '../data/batches';
import { type DataSource, type Dataset, rowNumber } from '../data/dataset';
import { drawRows } from '../data/read';
import { drawSample } from '../data/split';
import type { ReportData } from '../heads/head-report';
import type { ModelConfig } from '../model/config';

/** Rows that an analysis measures. */
export interface Sample {
  /** Drawn rows, in the order drawn. */
  dataset: Dataset;
  /** Indices into the dataset. */
  rows: Int32Array;
  /** Number of rows in the file that could be drawn. */
  available: number;
}

/**
 * Draws `most` rows without replacement, or all if there are fewer (docs/method.md). Memory grows
 * with the drawn rows only.
 */
export async function readSample(source: DataSource, most: number, seed: number): Promise<Sample> {
  const draw = (available: number) => drawSample(available, most, seed);
  const { dataset, available } = await drawRows(source, 'texts', draw);
  return { dataset, rows: Int32Array.from({ length: dataset.rows }, (_, row) => row), available };
}

/** Part of a sample. The first rows are those of a smaller draw with the same seed. */
export const rowsOf = (sample: Sample, from: number, to: number): Sample => ({
  ...sample,
  rows: sample.rows.subarray(from, to),
});

/** Numbers of the rows in the data, in the order drawn. */
export const rowNumbers = ({ dataset, rows }: Sample): number[] => Array.from(rows, (row) => rowNumber(dataset, row));

/** Description of the data in the report. */
export function reportData(sample: Sample): ReportData {
  const { dataset, available } = sample;
  return {
    path: dataset.path,
    sha256: dataset.sha256,
    rows: available,
    sampleIds: rowNumbers(sample),
  };
}

/**
 * Encodes the sample to token ids, in the order drawn.
 *
 * @throws HifiError INVALID_INPUT for a row without tokens, or an id that the model has no
 *   embedding for
 */
export function encodeSample(
  { dataset, rows }: Sample,
  encoder: RowEncoder,
  config: ModelConfig,
  maxLength: number,
): Encoded[] {
  return encodeRows(dataset, rows, encoder, maxLength, config);
}
