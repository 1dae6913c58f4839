import { didYouMean } from '../../data/nearest';
import { HifiError } from '../../foundation/errors';
import { RpcError, status } from '../../proto/status';
import type { Reference } from './reference';

/** Content of a version, as it is registered. */
export interface DeltaContent {
  /** SHA-256 of the delta's two files. */
  files: { info: string; tensors: string };
  base: { name: string; sha256: string };
  metric?: { name: string; value?: number };
  /** SHA-256 of the training rows. */
  dataSha256?: string;
  /** Job that made it. */
  jobId?: string;
}

/** Version of a named delta. */
export interface StoredVersion extends DeltaContent {
  /** Number, from 1. */
  version: number;
  /** Time of the registration, in milliseconds since the epoch. */
  createTime: number;
}

/** All versions and aliases of a name: plain data, which a store changes as a whole. */
export interface NamedDelta {
  name: string;
  /** Ascending by number. Empty once all are deleted. */
  versions: StoredVersion[];
  /** Greatest number so far: a number is never used again. */
  last: number;
  /** Versions to which each alias has pointed, the current one last. */
  aliases: Record<string, number[]>;
}

/** Largest number of versions of a name. Its record is one message of NATS, of 1 MiB at most. */
const MOST_VERSIONS = 1000;
/** Number of versions to which an alias can be rolled back. */
const MOST_HISTORY = 100;

/**
 * Adds a version. The content of the newest version, and that of the same job, is no new one: its
 * registration was repeated.
 *
 * @param before undefined for a new name
 * @throws RpcError FAILED_PRECONDITION if the name has no room for a further version
 */
export function withVersion(
  before: NamedDelta | undefined,
  name: string,
  content: DeltaContent,
  now: number,
): { after: NamedDelta; version: StoredVersion } {
  const { versions, last, aliases } = before ?? { versions: [], last: 0, aliases: {} };
  const same = versions.findLast(
    (each, i) => isSame(each, content) && (i === versions.length - 1 || isOfJob(each, content)),
  );
  if (before && same) return { after: before, version: same };
  if (versions.length >= MOST_VERSIONS) {
    throw refused('TOO_MANY_VERSIONS', `${name} has ${versions.length} versions; delete some of them first`);
  }
  const version = { version: last + 1, ...content, createTime: now };
  return { after: { name, versions: [...versions, version], last: version.version, aliases }, version };
}

const isSame = ({ files: a }: DeltaContent, { files: b }: DeltaContent) => a.info === b.info && a.tensors === b.tensors;

const isOfJob = ({ jobId }: DeltaContent, content: DeltaContent) => jobId !== undefined && jobId === content.jobId;

/** Points an alias to a version. @throws HifiError NOT_FOUND */
export function promoted(before: NamedDelta, alias: string, version: number): NamedDelta {
  versionOf(before, { name: before.name, version });
  const history = historyOf(before, alias);
  if (history.at(-1) === version) return before;
  return { ...before, aliases: { ...before.aliases, [alias]: [...history, version].slice(-MOST_HISTORY) } };
}

/**
 * Points an alias to the version that it had before.
 *
 * @throws HifiError NOT_FOUND for an unknown alias; RpcError FAILED_PRECONDITION if it had none
 */
export function rolledBack(before: NamedDelta, alias: string): NamedDelta {
  const { version } = versionOf(before, { name: before.name, alias });
  const history = historyOf(before, alias).slice(0, -1);
  if (history.length === 0) {
    throw refused('NO_EARLIER_VERSION', `${before.name}@${alias} has had no version before ${version}`);
  }
  return { ...before, aliases: { ...before.aliases, [alias]: history } };
}

/**
 * Removes a version, an alias, or all versions.
 *
 * @throws HifiError NOT_FOUND; RpcError FAILED_PRECONDITION for a version with an alias
 */
export function without(before: NamedDelta, reference: Reference): NamedDelta {
  const { name, alias, version } = reference;
  versionOf(before, reference);
  if (alias !== undefined) {
    const { [alias]: _, ...aliases } = before.aliases;
    return { ...before, aliases };
  }
  const isRemoved = (number: number) => version === undefined || number === version;
  const [pointing, history] = Object.entries(before.aliases).find(([, each]) => isRemoved(each.at(-1) as number)) ?? [];
  if (history !== undefined) {
    const remedy = `delete ${name}@${pointing} or point it to another version first`;
    throw refused('ALIAS_POINTS_TO_VERSION', `${name}@${pointing} points to version ${history.at(-1)}; ${remedy}`);
  }
  const kept = Object.entries(before.aliases).map(([each, numbers]) => [each, withoutRepeats(numbers, isRemoved)]);
  return {
    ...before,
    versions: before.versions.filter((each) => !isRemoved(each.version)),
    aliases: Object.fromEntries(kept),
  };
}

/** Removes versions from an alias' history; a rollback then leads to another version. */
const withoutRepeats = (history: readonly number[], isRemoved: (version: number) => boolean) =>
  history.filter((each) => !isRemoved(each)).filter((each, i, left) => each !== left[i - 1]);

/** Returns the version that a reference names. @throws HifiError NOT_FOUND */
export function versionOf(delta: NamedDelta | undefined, { name, alias, version }: Reference): StoredVersion {
  if (!delta || delta.versions.length === 0) throw notRegistered(name);
  const number = alias === undefined ? (version ?? newestOf(delta).version) : historyOf(delta, alias).at(-1);
  if (number === undefined) {
    const known = Object.keys(delta.aliases).sort().join(', ');
    throw notFound(`${name} has no alias ${alias}; it has ${known || 'none'}`);
  }
  const found = delta.versions.find((each) => each.version === number);
  if (found) return found;
  throw notFound(`${name} has no version ${number}; its newest is ${newestOf(delta).version}`);
}

/** An alias may have the name of a property that every object has. */
const historyOf = ({ aliases }: NamedDelta, alias: string): number[] =>
  Object.hasOwn(aliases, alias) ? aliases[alias] : [];

const newestOf = ({ versions }: NamedDelta) => versions[versions.length - 1];

/** Aliases that point to a version, sorted. */
export const aliasesOf = ({ aliases }: NamedDelta, version: number): string[] =>
  Object.keys(aliases)
    .filter((alias) => aliases[alias].at(-1) === version)
    .sort();

/** Versions that references without a number reach, the newest first. */
export const reachedVersions = (delta: NamedDelta): StoredVersion[] =>
  delta.versions.filter((each) => each === newestOf(delta) || aliasesOf(delta, each.version).length > 0).toReversed();

/** SHA-256 of the files of all versions. */
export const filesOf = ({ versions }: NamedDelta): Set<string> =>
  new Set(versions.flatMap(({ files }) => [files.info, files.tensors]));

/** @param known registered names; the error suggests the nearest one */
export const notRegistered = (name: string, known: Iterable<string> = []) =>
  notFound(`no delta is registered as ${name}${didYouMean(name, known)}`);

const notFound = (message: string) => new HifiError('NOT_FOUND', message);

const refused = (reason: string, message: string) => new RpcError(status.FAILED_PRECONDITION, reason, message);
