import { createHash } from 'node:crypto';
import * as path from 'node:path';
import type { Checkpoint } from '../model/checkpoint';
import { readRegularFile } from '../model/regular-file';
import { TOKENIZER_FILES } from '../model/tokenizer/files';
import type { TrainingInputs } from './inputs';
import type { TrainRequest } from './options';

/** What decides, beside the weights, what the model makes of a row. */
const MODEL_FILES = ['config.json', ...TOKENIZER_FILES];

/** The SHA-256 of a file's bytes; null where there is none. */
function sha256Of(file: string): string | null {
  const bytes = readRegularFile(file);
  return bytes === undefined ? null : createHash('sha256').update(bytes).digest('hex');
}

/** Hashes of the files that decide it; null for one that is not there. */
export const modelFileHashes = (folder: string) => MODEL_FILES.map((name) => sha256Of(path.join(folder, name)));

/** What a checkpoint must agree with: everything that the trained numbers depend on. */
export function identityOf(checkpoint: Checkpoint, inputs: TrainingInputs, { mask, options }: TrainRequest): string {
  const { device, threads, ...numeric } = options;
  const sets = [inputs.train, inputs.dev, ...(inputs.mismatched ? [inputs.mismatched] : [])];
  const data = sets.map(({ dataset }) => [dataset.sha256, dataset.rows, dataset.task, dataset.regression]);
  const heads = mask.heads.map(({ layer, head }) => [layer, head]);
  const model = [checkpoint.sha256, ...modelFileHashes(checkpoint.folder)];
  const identity = [model, data, inputs.labels, heads, mask.tune, Object.entries(numeric).sort()];
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex');
}
