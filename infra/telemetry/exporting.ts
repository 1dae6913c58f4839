import {
  context,
  DiagLogLevel,
  diag,
  isValidSpanId,
  type Link,
  metrics,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { core, NodeSDK, resources } from '@opentelemetry/sdk-node';
import { HifiError } from '../../foundation/errors';
import type { Collector, Signal } from './collectors';
import { ExportFailures } from './export-failure';
import { contextUnder } from './propagation';
import { SpanIds } from './span-ids';
import type { RecordedSettings, ServiceName, SpanSettings, Telemetry } from './spans';
import { parseTraceparent } from './traceparent';

/**
 * Defaults where a job is watched as it runs, for variables that the user has not set. Times are in
 * milliseconds.
 */
const DEFAULTS = {
  // A span is at the collector soon after its end.
  OTEL_BSP_SCHEDULE_DELAY: '250',
  // Spans that wait while a collector is away, about a kilobyte each; more are dropped.
  OTEL_BSP_MAX_QUEUE_SIZE: '8192',
  OTEL_METRIC_EXPORT_INTERVAL: '5000',
};
/** Longest time that a service that ends waits for its last telemetry, in milliseconds. */
const SHUTDOWN_MS = 3000;

/** Upper bounds of a histogram of seconds: from a message to a day, in steps of two to three. */
const SECONDS = [
  ...[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  ...[30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400],
];

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

export interface ExportingSettings {
  service: ServiceName;
  version: string | undefined;
  /** Signals to export; there may be none. */
  signals: readonly Signal[];
  /** Collectors that receive them, for messages. */
  collectors: readonly Collector[];
  warn(line: string): void;
}

/**
 * Starts OpenTelemetry's SDK, which reads the OTEL_* variables. An absent collector costs spans and
 * no work.
 */
export function exporting({ service, version, signals, collectors, warn }: ExportingSettings): Telemetry {
  for (const [name, value] of Object.entries(DEFAULTS)) process.env[name] ||= value;
  const failures = new ExportFailures(collectors, warn);
  reportSdk(warn, failures);
  const ids = new SpanIds();
  const about = { 'service.name': `hifi-${service}`, ...(version && { 'service.version': version }) };
  const sdk = new NodeSDK({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence over these.
    resource: resources.defaultResource().merge(resources.resourceFromAttributes(about)),
    idGenerator: ids,
    // Otherwise the variables decide, and OTLP is their default.
    ...(!signals.includes('TRACES') && { spanProcessors: [] }),
    ...(!signals.includes('METRICS') && { metricReaders: [] }),
    ...(!signals.includes('LOGS') && { logRecordProcessors: [] }),
  });
  sdk.start();
  const tracer = trace.getTracer('hifi', version);
  const meter = metrics.getMeter('hifi', version);
  let ended: Promise<void> | undefined;

  const start = (name: string, settings: SpanSettings): Span => {
    const { kind = 'internal', attributes, startTime, spanId } = settings;
    const options = { kind: KINDS[kind], attributes, startTime, links: linksOf(settings.links) };
    const id = spanId !== undefined && isValidSpanId(spanId) ? spanId : undefined;
    return ids.adopt(id, () => tracer.startSpan(name, options, contextUnder(settings.parent)));
  };

  return {
    on: signals.includes('TRACES'),

    async inSpan(name, settings, work) {
      const span = start(name, settings);
      try {
        return await context.with(trace.setSpan(context.active(), span), work, undefined, span);
      } catch (error) {
        mark(span, error);
        throw error;
      } finally {
        span.end();
      }
    },

    record(name, from, to, { error, ...settings }: RecordedSettings = {}) {
      const span = start(name, { ...settings, startTime: from });
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end(to);
    },

    histogram(name, unit, description) {
      const advice = unit === 's' ? { explicitBucketBoundaries: SECONDS } : undefined;
      return meter.createHistogram(name, { unit, description, advice });
    },

    shutdown() {
      ended ??= end(sdk, failures);
      return ended;
    },
  };
}

/** Forwards the SDK's reports: its failures, and its warnings of variables. */
function reportSdk(warn: (line: string) => void, failures: ExportFailures): void {
  const level = core.diagLogLevelFromString(process.env.OTEL_LOG_LEVEL) ?? DiagLogLevel.WARN;
  // With this variable the SDK would write to stdout.
  delete process.env.OTEL_LOG_LEVEL;
  const report = (...given: unknown[]) => warn(`OpenTelemetry: ${given.join(' ')}`);
  diag.setLogger({ error: report, warn: report, info: report, debug: report, verbose: report }, level);
  core.setGlobalErrorHandler((error) => failures.report(error));
}

/** Sends the rest, within a time limit, and releases OpenTelemetry's global API. */
async function end(sdk: NodeSDK, failures: ExportFailures): Promise<void> {
  await within(
    SHUTDOWN_MS,
    sdk.shutdown().catch((error) => failures.report(error)),
  );
  for (const api of [trace, metrics, logs, propagation, context, diag]) api.disable();
}

const linksOf = (links: string[] = []): Link[] =>
  links
    .map(parseTraceparent)
    .filter((context) => context !== undefined)
    .map((context) => ({ context }));

function mark(span: Span, thrown: unknown): void {
  const error = HifiError.from(thrown);
  span.recordException(thrown instanceof Error ? thrown : error);
  span.setAttribute('error.type', error.code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}

/** Settles when the work is done, or `ms` milliseconds from now. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
