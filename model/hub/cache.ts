import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeWhole } from '../../foundation/whole-file';
import { hasTokenizer } from '../tokenizer/files';
import { readWeightsIndex, weightsFormOf } from '../weights';

/*
 * Cache in the Hub's layout, which Python's tools share. models--OWNER--NAME/ has `refs/REVISION`
 * (a file with a commit's hash), `snapshots/COMMIT/` (the files, as links) and `blobs/` (their
 * bytes, by content).
 */

/** Returns true for the full hash of a commit. */
export const isCommit = (revision: string) => /^[0-9a-f]{40}$/.test(revision);

/** Folder of a repository in a cache. */
export const repositoryFolder = (cache: string, repository: string) =>
  path.join(cache, `models--${repository.replace('/', '--')}`);

/** Folder of a commit's snapshot in a cache. It need not exist. */
export const snapshotFolder = (cache: string, repository: string, commit: string) =>
  path.join(repositoryFolder(cache, repository), 'snapshots', commit);

/** Cached commit of a revision, from its last request; undefined if there is none. */
export function cachedCommit(cache: string, repository: string, revision: string): string | undefined {
  if (isCommit(revision)) return revision;
  try {
    const commit = fs.readFileSync(path.join(repositoryFolder(cache, repository), 'refs', revision), 'utf8').trim();
    return isCommit(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}

/** Caches the commit of a revision. */
export function rememberCommit(cache: string, repository: string, revision: string, commit: string): void {
  if (isCommit(revision)) return;
  const ref = path.join(repositoryFolder(cache, repository), 'refs', revision);
  if (cachedCommit(cache, repository, revision) === commit) return;
  writeWhole(ref, commit);
}

/** Folder of a commit's snapshot if it has all that a model needs; else undefined. */
export function cachedSnapshot(cache: string, repository: string, commit: string): string | undefined {
  const folder = snapshotFolder(cache, repository, commit);
  return isWhole(folder) ? folder : undefined;
}

/** Repositories of a cache. */
export function cachedRepositories(cache: string): string[] {
  try {
    return fs.readdirSync(cache).flatMap((name) => repositoryOf(path.join(cache, name, 'snapshots', 'any')) ?? []);
  } catch {
    return [];
  }
}

/** `owner/name` of a snapshot's folder; undefined for any other folder. */
export function repositoryOf(folder: string): string | undefined {
  const [repository, snapshots] = path.resolve(folder).split(path.sep).slice(-3);
  return snapshots === 'snapshots' && repository.startsWith('models--')
    ? repository.slice('models--'.length).replace('--', '/')
    : undefined;
}

/**
 * Returns true if a snapshot is complete. Python's tools fetch file by file, so theirs may lack
 * files, and a link's blob may be missing.
 */
function isWhole(folder: string): boolean {
  const has = (name: string) => fs.existsSync(path.join(folder, name));
  if (!has('config.json') || !hasTokenizer(has)) return false;
  const form = weightsFormOf(has);
  if (form === undefined) return false;
  if (has(form.single)) return true;
  try {
    return [...readWeightsIndex(path.join(folder, form.index), form).values()].every(has);
  } catch {
    return false;
  }
}
