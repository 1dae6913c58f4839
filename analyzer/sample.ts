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

/** Reads the data and draws n rows without replacement; all of them where there are fewer (METHOD §1). */
export function readSample(source: DataSource, samples: number, seed: number): Sample {
  const dataset = readDataset(source, 'texts');
  return { dataset, rows: drawSample(dataset.rows, samples, seed) };
}

/** What the report tells of the data. */
export function reportData({ dataset, rows }: Sample): ReportData {
  return {
    path: dataset.path,
    sha256: dataset.sha256,
    rows: dataset.rows,
    sampleIds: Array.from(rows, (row) => rowNumber(dataset, row)),
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
