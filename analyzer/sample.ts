import { type Encoded, encodeRows, type RowEncoder } from '../data/batches';
import { type DataSource, type Dataset, readDataset, rowNumber } from '../data/dataset';
import { drawSample } from '../data/split';
import type { ReportData } from '../heads/report';
import type { ModelConfig } from '../model/config';

/** The rows that an analysis measures. */
export interface Sample {
  dataset: Dataset;
  /** Indices into the dataset, in the order drawn. */
  rows: Int32Array;
}

/** Reads the data and draws `most` rows without replacement; all of them where there are fewer (METHOD §1). */
export function readSample(source: DataSource, most: number, seed: number): Sample {
  const dataset = readDataset(source, 'texts');
  return { dataset, rows: drawSample(dataset.rows, most, seed) };
}

/** A part of a sample. Its first rows are what a smaller draw with the same seed would have given. */
export const rowsOf = ({ dataset, rows }: Sample, from: number, to: number): Sample => ({
  dataset,
  rows: rows.subarray(from, to),
});

/** The rows' numbers in the data, in the order drawn. */
export const rowNumbers = ({ dataset, rows }: Sample): number[] => Array.from(rows, (row) => rowNumber(dataset, row));

/** What the report tells of the data. */
export function reportData(sample: Sample): ReportData {
  const { dataset } = sample;
  return {
    path: dataset.path,
    sha256: dataset.sha256,
    rows: dataset.rows,
    sampleIds: rowNumbers(sample),
  };
}

/**
 * Token ids of the sample, in the order drawn.
 *
 * @throws HifiError INVALID_INPUT for a row without tokens, or an id that the model has no embedding for.
 */
export function encodeSample(
  { dataset, rows }: Sample,
  encoder: RowEncoder,
  config: ModelConfig,
  maxLength: number,
): Encoded[] {
  return encodeRows(dataset, rows, encoder, maxLength, config);
}
