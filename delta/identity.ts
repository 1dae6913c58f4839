import * as path from 'node:path';
import { checkFile } from '../data/bytes';
import type { DataSource } from '../data/dataset';
import { filesOf, sourceFormat, sourceSha256 } from '../data/files';
import { DEFAULT_PROBLEM, problemOf } from '../data/problem';
import { sha256Of, sha256OfFile } from '../foundation/hash';
import type { Precision } from '../foundation/precision';
import { readRegularFile } from '../foundation/regular-file';
import { TOKENIZER_FILES } from '../model/tokenizer/files';

/*
 * Identity of a result: everything that the result depends on. A resumed run, a job's stored
 * results, a run id of the trainer and a comparison use the same parts: the model's files, the rows
 * with how they are read, and every option. EXEMPT lists the exceptions with their reasons, so that
 * a new option is part of the identity by default.
 */

/** Fields that are not part of an identity, each with the reason. */
export const EXEMPT = {
  rows: {
    path: 'where the rows are: their bytes and format count',
    file: 'where the rows are: their bytes and format count',
    more: 'where the rows are: the bytes of all files count',
  },
  options: {
    device: 'where it is computed: a run may be resumed on another machine; bits are promised for one device',
    threads: 'where it is computed: a run may be resumed on another machine; bits are promised for one thread count',
  },
} as const;

/** Files of a model's folder that, beside the weights, determine its output for a row. */
const MODEL_FILES = ['config.json', ...TOKENIZER_FILES];

/**
 * Identity of a model: the hashes of its weights and its other files, null for a missing one. Its
 * name and path are not part of it.
 *
 * @param weights SHA-256, as in `Checkpoint`
 */
export const modelIdentity = (folder: string, weights: string) => ({ weights, files: modelFileHashes(folder) });

/** SHA-256 of each of a model's files except its weights; null for a missing one. */
export const modelFileHashes = (folder: string) =>
  MODEL_FILES.map((name) => {
    const bytes = readRegularFile(path.join(folder, name));
    return bytes === undefined ? null : sha256Of(bytes);
  });

/**
 * Identity of rows: their bytes and how they are read. The format is the effective one, which a
 * file's name may determine, and so is the problem; the default one is left out, as in sources that
 * name none.
 *
 * @param sha256 hash of the files' bytes, see `sourceSha256`
 */
export function rowsIdentity(source: DataSource, sha256: string): object & { sha256: string } {
  const problem = problemOf(source);
  const read = { ...source, regression: undefined, problem: problem === DEFAULT_PROBLEM ? undefined : problem };
  return Object.assign(without(read, EXEMPT.rows), { format: sourceFormat(source), sha256 });
}

/**
 * {@link rowsIdentity} of rows whose files are local.
 *
 * @throws HifiError INVALID_INPUT for a missing file
 */
export async function readRowsIdentity(source: DataSource): Promise<object & { sha256: string }> {
  const hashes: string[] = [];
  for (const file of filesOf(source)) {
    checkFile(file);
    hashes.push(await sha256OfFile(file.file ?? file.path));
  }
  return rowsIdentity(source, sourceSha256(hashes));
}

/**
 * Identity of options: all of them except the place of computation. The default precision is left
 * out, as in options that name none.
 */
export function optionsIdentity(options: object): object {
  const { precision, ...rest } = options as { precision?: Precision };
  return without(precision === 'bf16' ? options : rest, EXEMPT.options);
}

/**
 * Removes some fields from a value, as well as absent fields and flags that are off, which are
 * equivalent.
 */
function without(value: object, names: object): object {
  const rest = Object.entries(value).filter(([name, each]) => !(name in names) && each !== undefined && each !== false);
  return Object.fromEntries(rest);
}
