import { type DataSource, type Dataset, mismatchedRows } from '../data/dataset';
import { encodeLabels, fitLabels } from '../data/labels';
import { readDataset } from '../data/read';
import { roomOf, type WindowOptions, windowOptions } from '../data/word-windows';
import { modelIdentity } from '../delta/identity';
import { objectiveOf } from '../delta/objective';
import { unitsToChoose } from '../heads/select';
import { requireBfloat16 } from '../infra/bfloat16';
import { openCheckpoint } from '../model/checkpoint';
import { reportModelOf } from '../model/description';
import { loadTokenizer } from '../model/tokenizer';
import type { JobInputs } from './folder-results';
import type { JobSpec } from './job';

/**
 * Checks all inputs of a job before any computing. So a label that only the dev file has, or a
 * `--k` that the model does not allow, is reported before the analysis.
 *
 * @throws HifiError INVALID_INPUT for any fault of an input; UNSUPPORTED for bf16 on a
 *   processor without it
 */
export async function checkInputs({ model, train, dev, selection, training }: JobSpec): Promise<JobInputs> {
  if (training.precision === 'bf16') requireBfloat16(training.device);
  const checkpoint = await openCheckpoint(model);
  checkpoint.close();
  unitsToChoose(selection, reportModelOf(checkpoint));
  const rows = await readDataset(train, 'labels');
  const labels = fitLabels(rows);
  objectiveOf(labels, training, encodeLabels(rows, labels));
  checkWindows(model, rows.seconds ? 2 : 1, windowOptions(training));
  const read = async (source: DataSource): Promise<Dataset> => {
    const dataset = await readDataset(source, 'labels');
    encodeLabels(dataset, labels);
    return dataset;
  };
  const second = dev && mismatchedRows(dev);
  return {
    model: modelIdentity(model, checkpoint.sha256),
    train: rows.sha256,
    dev: dev ? (await read(dev)).sha256 : null,
    mismatched: second ? (await read(second)).sha256 : null,
  };
}

/** Lengths from which a text has room beside special tokens. */
const AMPLE = 16;

/**
 * Checks that windows have room for texts; most lengths need no tokenizer for that.
 * @throws HifiError INVALID_INPUT as {@link roomOf}
 */
function checkWindows(model: string, texts: number, options: WindowOptions): void {
  if (options.longTexts === 'cut' && options.maxLength >= AMPLE) return;
  roomOf(loadTokenizer(model), texts, options);
}
