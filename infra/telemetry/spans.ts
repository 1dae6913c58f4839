import type { Attributes, Span } from '@opentelemetry/api';

export type { Attributes, Span };

/** Services; a collector knows them as `hifi-gateway` and so on. */
export type ServiceName = 'gateway' | 'analyzer' | 'trainer';

export interface SpanSettings {
  /** `server` and `client` are the ends of a call, `producer` and `consumer` those of a queue; `internal` by default. */
  kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /** A traceparent or a span; `null` begins a new trace. By default the active span. What is no traceparent counts as `null`. */
  parent?: string | Span | null;
  attributes?: Attributes;
  /** Traceparents of spans that have to do with it without being above it, such as the attempt that was cut. */
  links?: string[];
  /** The span's id, 16 hex digits, where it was made in advance (`newSpanId`); by default a random one. */
  spanId?: string;
  /** In milliseconds since the epoch; now by default. */
  startTime?: number;
}

export interface RecordedSettings extends Omit<SpanSettings, 'startTime'> {
  /** What it ended by, where that is an error: marks the span. */
  error?: string;
}

/** Counts values into buckets. */
export interface Histogram {
  record(value: number, attributes?: Attributes): void;
}

/** What a service tells of its work: spans and histograms. Where it is off, work is done and nothing is told. */
export interface Telemetry {
  /** True if spans are recorded. */
  readonly on: boolean;
  /**
   * Does work in a span, which is active meanwhile: spans begun by the work, and lines it logs, are below it.
   *
   * @returns what the work returns
   * @throws what the work throws; the span is marked with it
   */
  inSpan<T>(name: string, settings: SpanSettings, work: (span: Span) => Promise<T>): Promise<T>;
  /** Tells of a span that has begun and ended already, at `from` and `to` in milliseconds since the epoch. */
  record(name: string, from: number, to: number, settings?: RecordedSettings): void;
  /**
   * @param name e.g. `hifi.stage.duration`; names carry no ids
   * @param unit UCUM's, e.g. `s`, `By`, `{token}`
   */
  histogram(name: string, unit: string, description: string): Histogram;
  /** Sends what is not sent yet; gives up after three seconds. Nothing is told after it. */
  shutdown(): Promise<void>;
}
