import type { Attributes, Telemetry } from './spans';
import { currentTraceparent } from './traceparent';

/** A piece of an engine's work, told when it is over: a batch in onnxruntime, a block's eigenvalues. */
export interface Interval {
  kind: 'interval';
  /** The span's name, without ids. */
  name: string;
  /** In milliseconds since the epoch. */
  from: number;
  to: number;
  /** Numbers are amounts, such as rows and tokens: where intervals are merged they are added up. */
  attributes?: Attributes;
}

export interface IntervalSpansSettings {
  /** Spans of one name; 100 by default. */
  most?: number;
  /** What the spans are below, as a traceparent; by default the span that is active when this is made. */
  parent?: string;
}

/** Intervals that become one span. */
interface Group {
  from: number;
  to: number;
  /** The intervals' milliseconds added up. They may lie side by side: then it is more than the span's length. */
  busy: number;
  count: number;
  /** How many it is to hold. */
  size: number;
  attributes: Attributes;
}

/** What became of the intervals of one name. */
interface Named {
  intervals: number;
  spans: number;
  open: Group | undefined;
}

/**
 * Turns an engine's intervals into spans, at most `most` of each name however many there are. The first half of them get a
 * span each. Then a span holds a third of the intervals that came since (at least one), from the first's start to the
 * last's end: 100 spans are enough for a million intervals, and what comes beyond is in the last one.
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

  take(interval: Interval): void {
    let named = this.names.get(interval.name);
    if (named === undefined) this.names.set(interval.name, (named = { intervals: 0, spans: 0, open: undefined }));
    const alone = Math.floor(this.most / 2);
    const size = Math.max(1, Math.ceil((named.intervals - alone) / 3));
    named.intervals += 1;
    named.open = named.open ? merged(named.open, interval) : begun(interval, size);
    // The last span stays open: it holds all that is still to come.
    if (named.open.count >= named.open.size && named.spans < this.most - 1) this.close(interval.name, named);
  }

  /** No more intervals come: tells of those that still wait for others. */
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
