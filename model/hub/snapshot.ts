import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../../foundation/errors';
import { making, putInPlace } from '../../foundation/making';
import { hasTokenizer } from '../tokenizer/files';
import { readWeightsIndex, WEIGHTS_FORMS, weightsFormOf } from '../weights';
import { cachedSnapshot, repositoryFolder, snapshotFolder } from './cache';
import { describeFile, downloadFile, type HubFile } from './download';
import { neededFiles } from './files';
import { type HubCommit, type HubSource, permanentError } from './repository';

/** Callback for the progress, in bytes so far and in all. */
type OnProgress = (progress: { done: number; total: number }) => void;

/**
 * Downloads a commit's files that a model needs into a cache in the Hub's layout. The snapshot's
 * folder appears whole or not at all.
 * @returns the snapshot's folder
 * @throws HifiError INVALID_INPUT if the repository has no supported weights; FAILED, CANCELLED
 */
export async function fetchSnapshot(
  source: HubSource,
  { commit, files }: HubCommit,
  cache: string,
  { onProgress, signal }: { onProgress?: OnProgress; signal?: AbortSignal } = {},
): Promise<string> {
  const { repository } = source;
  refuseUnreadable(repository, source.revision, files);
  const blobs = path.join(repositoryFolder(cache, repository), 'blobs');
  const describe = (name: string) => describeFile(source, commit, name, signal);
  try {
    const wanted = await Promise.all(neededFiles(files).map(describe));
    const fetched = new Map<string, number>();
    const fetchAll = async (some: readonly HubFile[]) => {
      for (const file of some) {
        const onBytes = (done: number) => {
          fetched.set(file.name, done);
          const total = wanted.reduce((sum, { name, size }) => sum + (size ?? fetched.get(name) ?? 0), 0);
          onProgress?.({ done: [...fetched.values()].reduce((sum, bytes) => sum + bytes, 0), total });
        };
        await downloadFile(source, file, path.join(blobs, file.hash), { onBytes, signal });
        onBytes(file.size ?? fs.statSync(path.join(blobs, file.hash)).size);
      }
    };
    for (const form of WEIGHTS_FORMS) {
      const index = wanted.find(({ name }) => name === form.index);
      if (index === undefined) continue;
      await fetchAll([index]);
      const shards = new Set(readWeightsIndex(path.join(blobs, index.hash), form).values());
      wanted.push(...(await Promise.all([...shards].map(describe))));
    }
    await fetchAll(wanted);
    return await linkSnapshot(cache, source, commit, wanted);
  } catch (error) {
    throw permanentError(repository, error);
  }
}

function refuseUnreadable(repository: string, revision: string, files: readonly string[]): void {
  const has = (name: string) => files.includes(name);
  if (!has('config.json'))
    throw invalidInput(`${repository}: has no config.json at "${revision}", so it is no model that hifi can read`);
  if (!weightsFormOf(has)) {
    const other = files.find((name) => /^(tf_model\.h5|flax_model\.msgpack)/.test(name));
    const instead = other === undefined ? '' : `; hifi does not read ${other}; save the model as safetensors`;
    const read = WEIGHTS_FORMS.map(({ single }) => single).join(' or ');
    throw invalidInput(`${repository}: has no ${read} at "${revision}"${instead}`);
  }
  if (!hasTokenizer(has)) {
    throw invalidInput(
      `${repository}: has no tokenizer.json at "${revision}", nor vocab.txt, nor vocab.json and merges.txt, nor a SentencePiece model`,
    );
  }
}

/**
 * Creates the folder of links to the blobs. If two processes create it at once, the first one's is
 * used.
 */
function linkSnapshot(
  cache: string,
  { repository }: HubSource,
  commit: string,
  files: readonly HubFile[],
): Promise<string> {
  const folder = snapshotFolder(cache, repository, commit);
  return making(folder, (beside) => {
    for (const { name, hash } of files) fs.symlinkSync(path.join('../../blobs', hash), path.join(beside, name));
    // A folder that is there and not whole has lost its blobs.
    putInPlace(beside, folder, () => cachedSnapshot(cache, repository, commit) !== undefined);
    return folder;
  });
}
