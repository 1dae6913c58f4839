import * as path from 'node:path';
import type { Encoded } from '../data/batches';
import { cancelled } from '../foundation/errors';
import { publishFolderWhen } from '../foundation/whole-folder';
import { ONNX_DTYPES, type OnnxDtype } from '../model/onnx-dtype';
import type { Logits } from './logits';
import { largestDifference } from './onnx-check';
import { ONNX_FILES, type OnnxModel, onnxBytes } from './onnx-folder';

/** Work on an ONNX folder that needs an engine, or a process of its own. */
export interface OnnxWork {
  /** Fills the folder. @returns the token rows that the files are checked on */
  write(folder: string, dtypes: readonly OnnxDtype[]): Promise<readonly Encoded[]>;
  /** Computes the trainer's logits of token rows. */
  reference(rows: readonly Encoded[]): Promise<Logits>;
  /** Computes the logits of token rows by each file. */
  answers(folder: string, dtypes: readonly OnnxDtype[], rows: readonly Encoded[]): Promise<Logits[]>;
  /** Evaluates one file on the dev rows; absent if there are none. */
  evaluate?(folder: string, dtype: OnnxDtype): Promise<Record<string, number>>;
}

/**
 * Publishes an ONNX folder whose files answer as the trainer does: they are written, compared with
 * the trainer's logits and evaluated before the folder appears.
 *
 * @param out new or empty folder; it appears whole or not at all
 * @param asked number types to write, a file each; at least one
 * @returns its files, in the order of {@link ONNX_DTYPES}
 * @throws INVALID_INPUT if `out` holds something; FAILED if a file does not pass the check;
 *   CANCELLED by `signal`; any error of `work`
 */
export function publishOnnxFolder(
  out: string,
  asked: readonly OnnxDtype[],
  work: OnnxWork,
  signal?: AbortSignal,
): Promise<OnnxModel[]> {
  const dtypes = ONNX_DTYPES.filter((dtype) => asked.includes(dtype));
  return publishFolderWhen(out, async (folder) => {
    const rows = await work.write(folder, dtypes);
    const expected = await work.reference(rows);
    const found = await work.answers(folder, dtypes, rows);
    const models: OnnxModel[] = dtypes.map((dtype, i) => ({
      dtype,
      file: ONNX_FILES[dtype],
      bytes: onnxBytes(path.join(folder, ONNX_FILES[dtype])),
      largestDifference: largestDifference(dtype, found[i], expected),
    }));
    for (const model of models) {
      const dev = await work.evaluate?.(folder, model.dtype);
      if (dev) model.dev = dev;
    }
    if (signal?.aborted) throw cancelled();
    return models;
  });
}
