import { fromJsonString } from '@bufbuild/protobuf';
import type { JobState } from '../../job/job';
import { JobEventSchema } from '../../proto/gen/hifi/v1/gateway_pb';
import { eventOf } from '../job-message';
import { hasEnded } from '../record';
import type { Stored } from './job-log';
import { jobIn } from './layout';

/** State of a job, with the time of its entry in milliseconds since the epoch. */
interface Entry {
  state: JobState;
  time: number;
  /** Sequence number of the state's message in the stream. */
  seq: number;
}

/**
 * States of all jobs, in memory. The last message of a job's `state` subject is its state, so the
 * stream itself is the index: this copy follows it, and a new gateway reads one message per job.
 */
export class StateIndex {
  private readonly entries = new Map<string, Entry>();
  /** Ids of all jobs, oldest first. */
  private readonly sorted: string[] = [];
  private queued = 0;
  private openJobs = 0;

  /**
   * Applies a message of a `state` subject; an older one than that of the entry is ignored.
   *
   * @returns true if the job's state has changed
   */
  take(message: Stored): boolean {
    const { event, time } = eventOf(fromJsonString(JobEventSchema, message.string()));
    if (event.kind !== 'state') return false;
    return this.set(jobIn(message.subject), { state: event.state, time, seq: message.seq });
  }

  /** @returns true if the job's state has changed */
  set(id: string, entry: Entry): boolean {
    const before = this.entries.get(id);
    if (before && before.seq >= entry.seq) return false;
    if (!before) this.sorted.splice(this.position(id), 0, id);
    this.count(before, -1);
    this.count(entry, 1);
    this.entries.set(id, entry);
    return true;
  }

  remove(id: string): void {
    const before = this.entries.get(id);
    if (!before) return;
    this.count(before, -1);
    this.entries.delete(id);
    this.sorted.splice(this.position(id), 1);
  }

  /** Greatest id; empty if there is no job. */
  get latest(): string {
    return this.sorted.at(-1) ?? '';
  }

  /** Number of waiting jobs. */
  get waiting(): number {
    return this.queued;
  }

  /** Number of jobs that have not ended. */
  get open(): number {
    return this.openJobs;
  }

  /**
   * Yields the ids of jobs, newest first.
   *
   * @param before id of the last job seen
   * @param states wanted states; all by default
   */
  *ids(before?: string, states: readonly JobState[] = []): Generator<string> {
    let last = before;
    for (;;) {
      const at = (last === undefined ? this.sorted.length : this.position(last)) - 1;
      if (at < 0) return;
      last = this.sorted[at];
      if (states.length === 0 || states.includes((this.entries.get(last) as Entry).state)) yield last;
    }
  }

  /** Ids of the jobs that have not ended since a time, in milliseconds since the epoch. */
  openSince(time: number): string[] {
    return this.sorted.filter((id) => {
      const entry = this.entries.get(id) as Entry;
      return !hasEnded(entry) && entry.time < time;
    });
  }

  /** Ids of the jobs that ended before a time, in milliseconds since the epoch. */
  endedBefore(time: number): string[] {
    return this.sorted.filter((id) => {
      const entry = this.entries.get(id) as Entry;
      return hasEnded(entry) && entry.time < time;
    });
  }

  private count(entry: Entry | undefined, by: number): void {
    if (!entry) return;
    if (entry.state === 'QUEUED') this.queued += by;
    if (!hasEnded(entry)) this.openJobs += by;
  }

  /** Position of an id, or the one that it would have. */
  private position(id: string): number {
    let [low, high] = [0, this.sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sorted[middle] < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
