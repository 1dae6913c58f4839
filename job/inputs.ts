import * as crypto from 'node:crypto';
import * as path from 'node:path';
import { type DataSource, type Dataset, mismatchedRows } from '../data/dataset';
import { encodeLabels, fitLabels } from '../data/labels';
import { readDataset } from '../data/read';
import { headsToChoose } from '../heads/select';
import { openCheckpoint } from '../model/checkpoint';
import { readRegularFile } from '../model/regular-file';
import { TOKENIZER_FILES } from '../model/tokenizer/files';
import type { JobSpec } from './job';
import type { JobInputs } from './place';

/**
 * Looks at all inputs of a job before anything is computed: a label that only the dev file has, or a `--k` or `--budget` that
 * the model does not allow, is told now and not after the analysis.
 *
 * @throws HifiError INVALID_INPUT for whatever is wrong with them
 */
export async function checkInputs({ model, train, dev, selection }: JobSpec): Promise<JobInputs> {
  const checkpoint = await openCheckpoint(model);
  checkpoint.close();
  headsToChoose(selection, { ...checkpoint.config, parameters: checkpoint.parameters });
  const rows = await readDataset(train, 'labels');
  const labels = fitLabels(rows);
  const read = async (source: DataSource): Promise<Dataset> => {
    const dataset = await readDataset(source, 'labels');
    encodeLabels(dataset, labels);
    return dataset;
  };
  encodeLabels(rows, labels);
  const second = dev && mismatchedRows(dev);
  return {
    model: checkpoint.sha256,
    config: hashOf(path.join(model, 'config.json')),
    tokenizer: hashOf(...TOKENIZER_FILES.map((name) => path.join(model, name))),
    train: rows.sha256,
    dev: dev ? (await read(dev)).sha256 : null,
    mismatched: second ? (await read(second)).sha256 : null,
  };
}

/** SHA-256 of files, one after the other; a file that is not there counts as such. */
function hashOf(...files: string[]): string {
  const hash = crypto.createHash('sha256');
  for (const file of files) {
    const bytes = readRegularFile(file);
    hash.update(`${bytes?.length ?? 'none'}\n`).update(bytes ?? '');
  }
  return hash.digest('hex');
}
