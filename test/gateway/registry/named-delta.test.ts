import {
  aliasesOf,
  type DeltaContent,
  type NamedDelta,
  promoted,
  reachedVersions,
  rolledBack,
  versionOf,
  without,
  withVersion,
} from '../../../gateway/registry/named-delta';
import { parseReference } from '../../../gateway/registry/reference';

const content = (files: string, jobId?: string): DeltaContent => ({
  files: { info: `info ${files}`, tensors: `tensors ${files}` },
  base: { name: 'base', sha256: 'b'.repeat(64) },
  ...(jobId !== undefined && { jobId }),
});

/** Registers contents one after the other. */
function named(...contents: DeltaContent[]): NamedDelta {
  let delta: NamedDelta | undefined;
  for (const each of contents) delta = withVersion(delta, 'n', each, 1).after;
  return delta as NamedDelta;
}

const three = named(content('a'), content('b'), content('c'));
const numbers = ({ versions }: NamedDelta) => versions.map(({ version }) => version);
const pointed = (delta: NamedDelta, alias: string) => versionOf(delta, { name: 'n', alias }).version;

test('versions count from 1; the same content as the newest is no new version', () => {
  expect(numbers(three)).toEqual([1, 2, 3]);
  const again = withVersion(three, 'n', content('c', 'another job'), 2);
  expect([again.after, again.version]).toEqual([three, three.versions[2]]);
  expect(numbers(withVersion(three, 'n', content('a'), 2).after)).toEqual([1, 2, 3, 4]);
});

test('a job has one version, also if others were registered before it repeats the registration', () => {
  const delta = named(content('a', 'job'), content('b'));
  expect(withVersion(delta, 'n', content('a', 'job'), 2)).toEqual({ after: delta, version: delta.versions[0] });
  expect(withVersion(delta, 'n', content('a', 'other job'), 2).version.version).toBe(3);
});

test('a number is never used again', () => {
  const emptied = without(three, { name: 'n' });
  expect(numbers(emptied)).toEqual([]);
  expect(numbers(withVersion(without(three, { name: 'n', version: 3 }), 'n', content('d'), 2).after)).toEqual([
    1, 2, 4,
  ]);
  expect(numbers(withVersion(emptied, 'n', content('d'), 2).after)).toEqual([4]);
});

test('an alias goes back through the versions that it had, one at a time', () => {
  let delta = three;
  for (const version of [1, 2, 2, 3]) delta = promoted(delta, 'prod', version);
  const seen: number[] = [];
  for (let i = 0; i < 2; i++) {
    delta = rolledBack(delta, 'prod');
    seen.push(pointed(delta, 'prod'));
  }
  expect(seen).toEqual([2, 1]);
  expect(() => rolledBack(delta, 'prod')).toThrow('n@prod has had no version before 1');
  // What was rolled back is no part of the history.
  expect(pointed(rolledBack(promoted(delta, 'prod', 3), 'prod'), 'prod')).toBe(1);
});

test('a version with an alias stays; a deleted one is in no history', () => {
  let delta = three;
  for (const version of [1, 2, 1, 3]) delta = promoted(delta, 'prod', version);
  delta = promoted(delta, 'staging', 3);
  const line = 'n@prod points to version 3; delete n@prod or point it to another version first';
  for (const reference of [{ name: 'n', version: 3 }, { name: 'n' }]) {
    expect(() => without(delta, reference)).toThrow(expect.objectContaining({ message: line }));
  }
  const left = without(delta, { name: 'n', version: 2 });
  // The history is 1, 3: the two times at 1 have become one.
  expect(pointed(rolledBack(left, 'prod'), 'prod')).toBe(1);
  expect(() => rolledBack(rolledBack(left, 'prod'), 'prod')).toThrow('no version before 1');
  const without3 = without(without(delta, { name: 'n', alias: 'prod' }), { name: 'n', alias: 'staging' });
  expect(numbers(without(without3, { name: 'n' }))).toEqual([]);
});

test('a reference names the newest version, that of an alias or one by number', () => {
  const delta = promoted(promoted(three, 'staging', 2), 'prod', 2);
  const version = (text: string) => versionOf(delta, parseReference(text)).version;
  expect(['n', 'n@prod', 'n:1'].map(version)).toEqual([3, 2, 1]);
  expect([1, 2, 3].map((each) => aliasesOf(delta, each))).toEqual([[], ['prod', 'staging'], []]);
  expect(reachedVersions(delta).map(({ version }) => version)).toEqual([3, 2]);
  expect(() => version('n@constructor')).toThrow('n has no alias constructor; it has prod, staging');
  expect(() => version('n:9')).toThrow('n has no version 9; its newest is 3');
  expect(() => versionOf(undefined, { name: 'x' })).toThrow('no delta is registered as x');
});

test.each(['', 'n@', 'n:', 'n:0', 'n:01', 'n:x', 'n@a:1', 'n:1@a', '-n', 'a b', 'a/b', 'é', 'n'.repeat(65), 'n\n'])(
  '%j is no reference',
  (text) => {
    expect(() => parseReference(text)).toThrow(/^reference is .*; it must be NAME, NAME@ALIAS or NAME:VERSION/);
  },
);

test('a name has a limited number of versions', () => {
  const many = {
    ...three,
    versions: Array.from({ length: 1000 }, (_, i) => ({ ...three.versions[0], version: i + 1 })),
  };
  expect(() => withVersion(many, 'n', content('d'), 1)).toThrow('n has 1000 versions; delete some of them first');
});
