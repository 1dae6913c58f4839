import { EventEmitter } from 'node:events';
import type { JobTables } from './job-tables';
import type { DeltaStore } from './registry/delta-store';
import { filesOf, type NamedDelta } from './registry/named-delta';

/** Mark of the registry's revision in the tables. */
const REVISION = 'deltas';

/** Registered deltas in the tables of a job store. */
export class LmdbDeltas implements DeltaStore {
  private readonly emitter = new EventEmitter().setMaxListeners(0);

  constructor(private readonly tables: Pick<JobTables, 'deltas' | 'files' | 'marks' | 'transaction'>) {}

  async get(name: string): Promise<{ delta: NamedDelta | undefined; revision: string }> {
    const { deltas, marks } = this.tables;
    return { delta: deltas.get(name), revision: String(marks.get(REVISION) ?? 0) };
  }

  async change(name: string, change: (before: NamedDelta | undefined) => NamedDelta): Promise<NamedDelta> {
    const { deltas, files, marks } = this.tables;
    let changed = false;
    const result = await this.tables.transaction(() => {
      const before = deltas.get(name);
      const after = change(before);
      changed = after !== before;
      if (!changed) return after;
      deltas.put(name, after);
      // The time makes it differ from every revision of a state directory that was deleted.
      marks.put(REVISION, Math.max(Date.now(), (marks.get(REVISION) ?? 0) + 1));
      const [old, current] = [before ? filesOf(before) : new Set<string>(), filesOf(after)];
      for (const sha256 of current) files.put([sha256, keyOf(name)], true);
      for (const sha256 of old) if (!current.has(sha256)) files.remove([sha256, keyOf(name)]);
      return after;
    });
    if (changed) this.emitter.emit('change');
    return result;
  }

  *list(from = ''): Generator<NamedDelta> {
    for (const { value } of this.tables.deltas.getRange({ start: from })) if (value.versions.length > 0) yield value;
  }

  onChange(changed: () => void): () => void {
    this.emitter.on('change', changed);
    return () => this.emitter.off('change', changed);
  }
}

/** Key of a name among the ids of jobs, which have no colon. */
const keyOf = (name: string) => `${name}:`;
