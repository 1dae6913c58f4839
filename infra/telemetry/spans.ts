import type { Attributes, Span } from '@opentelemetry/api';

export type { Attributes, Span };

/** Name of a service; a collector receives it as `hifi-gateway` and so on. */
export type ServiceName = 'gateway' | 'analyzer' | 'trainer';

export interface SpanSettings {
  /**
   * `server` and `client` are the ends of a call, `producer` and `consumer` those of a queue.
   * Default: `internal`.
   */
  kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /**
   * Parent, as a traceparent or a span; default: the active span. `null` and an invalid traceparent
   * begin a new trace.
   */
  parent?: string | Span | null;
  attributes?: Attributes;
  /** Traceparents of related spans that are no ancestors, such as an interrupted attempt. */
  links?: string[];
  /** Id created in advance by `newSpanId`, 16 hex digits; default: a random one. */
  spanId?: string;
  /** In milliseconds since the epoch; default: now. */
  startTime?: number;
}

export interface RecordedSettings extends Omit<SpanSettings, 'startTime'> {
  /** Message of the error that ended the span; marks the span as failed. */
  error?: string;
}

/** Counts values into buckets. */
export interface Histogram {
  record(value: number, attributes?: Attributes): void;
}

/** Telemetry of a service: spans and histograms. If it is off, work runs without being recorded. */
export interface Telemetry {
  /** True if spans are recorded. */
  readonly on: boolean;
  /**
   * Runs work in a span. The span is active meanwhile, so it is the parent of the work's spans and
   * log lines.
   *
   * @returns the work's result
   * @throws the work's error, which also marks the span
   */
  inSpan<T>(name: string, settings: SpanSettings, work: (span: Span) => Promise<T>): Promise<T>;
  /** Records a finished span; `from` and `to` are in milliseconds since the epoch. */
  record(name: string, from: number, to: number, settings?: RecordedSettings): void;
  /**
   * Creates a histogram.
   *
   * @param name such as `hifi.stage.duration`, without ids
   * @param unit in UCUM, such as `s`, `By`, `{token}`
   */
  histogram(name: string, unit: string, description: string): Histogram;
  /** Sends the rest, for at most three seconds. Nothing is recorded afterwards. */
  shutdown(): Promise<void>;
}
