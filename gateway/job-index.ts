import type { JobState } from '../job/job';
import type { JobTables } from './job-tables';
import { hasEnded, type JobRecord } from './record';
import { filesNamedBy } from './stored-spec';

/** Key that sorts after every id in lmdb's order. */
const PAST_IDS = '~';

/**
 * Index of jobs by state, end and file, so that no call reads the whole store. Changes need a
 * transaction.
 */
export class JobIndex {
  constructor(private readonly tables: Pick<JobTables, 'states' | 'ended' | 'files'>) {}

  add(record: JobRecord, spec: unknown): void {
    this.enter(record);
    for (const sha256 of filesOf(record, spec)) this.tables.files.put([sha256, record.id], true);
  }

  /**
   * Updates the index for a changed job.
   *
   * @param specOf returns the job's spec, which is read when one of its files was replaced
   */
  change(before: JobRecord, after: JobRecord, specOf: () => unknown): void {
    if (before.state !== after.state) {
      this.leave(before);
      this.enter(after);
    }
    if (before.artifacts === after.artifacts) return;
    const { files } = this.tables;
    for (const { sha256 } of after.artifacts) files.put([sha256, after.id], true);
    const replaced = before.artifacts.filter(({ sha256 }) => !after.artifacts.some((each) => each.sha256 === sha256));
    if (replaced.length === 0) return;
    const current = filesOf(after, specOf());
    for (const { sha256 } of replaced) if (!current.has(sha256)) files.remove([sha256, after.id]);
  }

  /** Removes a job. @returns its files */
  remove(record: JobRecord, spec: unknown): Set<string> {
    this.leave(record);
    const own = filesOf(record, spec);
    for (const sha256 of own) this.tables.files.remove([sha256, record.id]);
    return own;
  }

  /**
   * Ids of the jobs in the given states, oldest first; `latestFirst` yields newest first, starting
   * after `before`.
   */
  ids(states: readonly JobState[], order: { latestFirst: boolean; before?: string }): Generator<string> {
    const { latestFirst, before } = order;
    const ranges = [...new Set(states)].map((state) => {
      const [first, last]: [JobState, string][] = [
        [state, ''],
        [state, before ?? PAST_IDS],
      ];
      const range = latestFirst ? { start: last, end: first, reverse: true } : { start: first, end: last };
      return this.tables.states.getKeys(range).map(([, id]) => id);
    });
    return merged(ranges, (a, b) => a < b !== latestFirst);
  }

  /** Ids of the jobs that ended before a time, in milliseconds since the epoch. */
  endedBefore(time: number): string[] {
    return [...this.tables.ended.getKeys({ end: [time, ''] })].map(([, id]) => id);
  }

  /** Returns true if any job or registered delta has a file. */
  hasFile(sha256: string): boolean {
    const [found] = this.tables.files.getKeys({ start: [sha256, ''], end: [sha256, PAST_IDS], limit: 1 });
    return found !== undefined;
  }

  private enter(record: JobRecord): void {
    this.tables.states.put([record.state, record.id], true);
    if (hasEnded(record)) this.tables.ended.put([record.updateTime, record.id], true);
  }

  private leave(record: JobRecord): void {
    this.tables.states.remove([record.state, record.id]);
    if (hasEnded(record)) this.tables.ended.remove([record.updateTime, record.id]);
  }
}

const filesOf = ({ artifacts }: JobRecord, spec: unknown) =>
  new Set([...artifacts.map(({ sha256 }) => sha256), ...filesNamedBy(spec)]);

/** Merges sorted sequences into one; buffers at most one item of each. */
function* merged(sources: Iterable<string>[], isFirst: (a: string, b: string) => boolean): Generator<string> {
  const iterators = sources.map((source) => source[Symbol.iterator]());
  try {
    const heads = iterators.map((each) => each.next());
    for (;;) {
      let first = -1;
      for (const [i, { done, value }] of heads.entries()) {
        if (!done && (first < 0 || isFirst(value, heads[first].value))) first = i;
      }
      if (first < 0) return;
      yield heads[first].value;
      heads[first] = iterators[first].next();
    }
  } finally {
    for (const each of iterators) each.return?.();
  }
}
