import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { checkFile } from '../data/bytes';
import type { DataSource } from '../data/dataset';
import { filesOf, sourceFormat, sourceSha256 } from '../data/files';
import { sha256OfFile } from '../model/hash';
import { readRegularFile } from '../model/regular-file';
import { TOKENIZER_FILES } from '../model/tokenizer/files';

/*
 * What a result depends on. A resumed run, a job's kept results, a run id of the trainer and a comparison are each of one identity,
 * made of the parts below: the model's files, the rows with how they are read, and every option. What is left out stands in EXEMPT
 * with its reason, so that an option that nobody thought of is part of the identity.
 */

/** What is no part of an identity, and why. */
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

/** Files of a model's folder that decide, beside the weights, what the model makes of a row. */
const MODEL_FILES = ['config.json', ...TOKENIZER_FILES];

/**
 * A model: the hash of its weights and those of its other files, null for one that is not there. Its name and path do not count.
 *
 * @param weights SHA-256, as `Checkpoint` has it
 */
export const modelIdentity = (folder: string, weights: string) => ({ weights, files: modelFileHashes(folder) });

/** SHA-256 of each of a model's files but its weights; null for one that is not there. */
export const modelFileHashes = (folder: string) =>
  MODEL_FILES.map((name) => {
    const bytes = readRegularFile(path.join(folder, name));
    return bytes === undefined ? null : createHash('sha256').update(bytes).digest('hex');
  });

/**
 * Rows: their bytes and how they are read. The format is the one that is used, which a file's name may tell.
 *
 * @param sha256 of the files' bytes, see `sourceSha256`
 */
export function rowsIdentity(source: DataSource, sha256: string): object & { sha256: string } {
  return Object.assign(without(source, EXEMPT.rows), { format: sourceFormat(source), sha256 });
}

/**
 * {@link rowsIdentity} of rows whose files are here.
 *
 * @throws HifiError INVALID_INPUT for a file that is not there
 */
export async function readRowsIdentity(source: DataSource): Promise<object & { sha256: string }> {
  const hashes: string[] = [];
  for (const file of filesOf(source)) {
    checkFile(file);
    hashes.push(await sha256OfFile(file.file ?? file.path));
  }
  return rowsIdentity(source, sourceSha256(hashes));
}

/** Options: all of them but where it is computed. */
export const optionsIdentity = (options: object): object => without(options, EXEMPT.options);

/** A value without some of its fields, those that are not given, and flags that are off, which say the same. */
function without(value: object, names: object): object {
  const kept = Object.entries(value).filter(([name, each]) => !(name in names) && each !== undefined && each !== false);
  return Object.fromEntries(kept);
}

/** A value as one hash. The order of an object's names does not count. */
export function identityHash(value: unknown): string {
  const ordered = (_: string, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part;
  return createHash('sha256').update(JSON.stringify(value, ordered)).digest('hex');
}
