import { type Encoded, encodeRows, type RowEncoder } from '../data/batches';
import { type DataSource, type Dataset, readDataset, rowNumber } from '../data/dataset';
import { drawSample } from '../data/split';
import { invalidInput } from '../errors';
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
export function encodeSample(sample: Sample, encoder: RowEncoder, config: ModelConfig, maxLength: number): Encoded[] {
  const { dataset, rows } = sample;
  const encoded = encodeRows(dataset, rows, encoder, maxLength);
  for (const [i, { ids, typeIds }] of encoded.entries()) {
    const refuse = (what: string) => invalidInput(`${dataset.path}: row ${rowNumber(dataset, rows[i])} ${what}`);
    if (ids.length === 0) throw refuse('gives no tokens; at least one is needed');
    const id = ids.find((each) => !(each >= 0 && each < config.vocabSize));
    if (id !== undefined) {
      throw refuse(
        `gives token id ${id}; the model's vocabulary ends at ${config.vocabSize - 1}: is the tokenizer its own?`,
      );
    }
    const type = config.typeVocabSize > 0 ? typeIds.find((each) => each >= config.typeVocabSize) : undefined;
    if (type !== undefined) throw refuse(`gives segment ${type}; the model has ${config.typeVocabSize} segments`);
  }
  return encoded;
}
