import type { Attributes, Telemetry } from './spans';
import { currentTraceparent } from './traceparent';

/** Finished piece of an engine's work: a batch in onnxruntime, a block's eigenvalues. */
export interface Interval {
  kind: 'interval';
  /** Name of the span, without ids. */
  name: string;
  /** In milliseconds since the epoch. */
  from: number;
  to: number;
  /** Numbers are amounts, such as rows and tokens; merging intervals adds them up. */
  attributes?: Attributes;
}

export interface IntervalSpansSettings {
  /** Maximum number of spans of one name; default: 100. */
  most?: number;
  /** Parent of the spans, as a traceparent; default: the span that is active at construction. */
  parent?: string;
}

/** Intervals that are merged into one span. */
interface Group {
  from: number;
  to: number;
  /**
   * Sum of the intervals' durations in milliseconds; it exceeds the span's duration if they
   * overlap.
   */
  busy: number;
  count: number;
  /** Number of intervals at which the group is complete. */
  size: number;
  attributes: Attributes;
}

/** Counts of one name, and its incomplete group. */
interface Named {
  intervals: number;
  spans: number;
  open: Group | undefined;
}

/**
 * Records an engine's intervals as spans, at most `most` of each name. The first `most / 2`
 * intervals are one span each. A later span merges a third of the intervals since then, at least
 * one, from the earliest start to the latest end. 100 spans suffice for a million intervals; the
 * last span merges the rest.
 */
export class IntervalSpans {
  private readonly names = new Map<string, Named>();
  private readonly most: number;
  private readonly parent: string | undefined;

  constructor(
    private readonly telemetry: Pick<Telemetry, 'record'>,
    { most = 100, parent = currentTraceparent() }: IntervalSpansSettings = {},
  ) {
    this.most = most;
    this.parent = parent;
  }

  add(interval: Interval): void {
    let named = this.names.get(interval.name);
    if (named === undefined) this.names.set(interval.name, (named = { intervals: 0, spans: 0, open: undefined }));
    const alone = Math.floor(this.most / 2);
    const size = Math.max(1, Math.ceil((named.intervals - alone) / 3));
    named.intervals += 1;
    named.open = named.open ? merged(named.open, interval) : begun(interval, size);
    // The last span stays open for all further intervals.
    if (named.open.count >= named.open.size && named.spans < this.most - 1) this.close(interval.name, named);
  }

  /** Records the incomplete groups. */
  end(): void {
    for (const [name, named] of this.names) this.close(name, named);
  }

  private close(name: string, named: Named): void {
    if (named.open === undefined) return;
    const { from, to, busy, count, attributes } = named.open;
    named.open = undefined;
    named.spans += 1;
    const together = count > 1 ? { 'hifi.intervals': count, 'hifi.busy_ms': busy } : {};
    this.telemetry.record(name, from, to, { parent: this.parent ?? null, attributes: { ...attributes, ...together } });
  }
}

const begun = ({ from, to, attributes = {} }: Interval, size: number): Group => ({
  ...{ from, to, busy: to - from, count: 1, size },
  attributes: { ...attributes },
});

function merged(group: Group, { from, to, attributes = {} }: Interval): Group {
  const sums: Attributes = { ...group.attributes };
  for (const [key, value] of Object.entries(attributes)) {
    const before = sums[key];
    if (typeof value === 'number' && typeof before === 'number') sums[key] = before + value;
    else sums[key] ??= value;
  }
  return {
    ...{ from: Math.min(group.from, from), to: Math.max(group.to, to) },
    ...{ busy: group.busy + to - from, count: group.count + 1, size: group.size },
    attributes: sums,
  };
}
