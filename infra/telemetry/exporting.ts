import { context, isValidSpanId, type Link, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, NodeTracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace-node';
import { HifiError } from '../../foundation/errors';
import { contextUnder } from './context';
import { SpanIds } from './span-ids';
import type { RecordedSettings, ServiceName, SpanSettings, Telemetry } from './spans';
import { parseTraceparent } from './traceparent';

/** How long a span that has ended waits for others to be sent with, in milliseconds: a running job is looked at. */
const SPANS_WAIT_MS = 250;
/** Spans that wait while a collector is away, the newest being dropped beyond; about a kilobyte each. */
const SPANS_KEPT = 8192;
/** How often histograms are sent, in milliseconds. */
const METRICS_EVERY_MS = 5000;
/** How long the exporter tries to send a batch, in milliseconds. */
const SENDING_MS = 5000;
/** How long a service that ends waits for its last spans, in milliseconds. */
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

/**
 * Telemetry that is on: sends to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, by OTLP over HTTP. A collector that
 * is away costs spans and no work. Nothing of it is global, so a process may hold several services.
 *
 * @param warn told a line when sending begins to fail
 */
export function exporting(service: ServiceName, version: string | undefined, warn: (line: string) => void): Telemetry {
  // OTEL_RESOURCE_ATTRIBUTES may say more of the process, but not what it is.
  const resource = detectResources({ detectors: [envDetector] }).merge(
    resourceFromAttributes({ 'service.name': `hifi-${service}`, ...(version && { 'service.version': version }) }),
  );
  const ids = new SpanIds();
  const exporter = telling(new OTLPTraceExporter({ timeoutMillis: SENDING_MS }), warn);
  const spans = new NodeTracerProvider({
    resource,
    idGenerator: ids,
    spanProcessors: [
      new BatchSpanProcessor(exporter, { scheduledDelayMillis: SPANS_WAIT_MS, maxQueueSize: SPANS_KEPT }),
    ],
  });
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ timeoutMillis: SENDING_MS }),
    exportIntervalMillis: METRICS_EVERY_MS,
    exportTimeoutMillis: METRICS_EVERY_MS,
  });
  const metrics = new MeterProvider({ resource, readers: [reader] });
  const tracer = spans.getTracer('hifi', version);
  const meter = metrics.getMeter('hifi', version);
  let ended: Promise<void> | undefined;

  const start = (name: string, settings: SpanSettings): Span => {
    const { kind = 'internal', attributes, startTime, spanId } = settings;
    const options = { kind: KINDS[kind], attributes, startTime, links: linksOf(settings.links) };
    const id = spanId !== undefined && isValidSpanId(spanId) ? spanId : undefined;
    return ids.adopt(id, () => tracer.startSpan(name, options, contextUnder(settings.parent)));
  };

  return {
    on: true,

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
      ended ??= within(SHUTDOWN_MS, Promise.allSettled([spans.shutdown(), metrics.shutdown()]));
      return ended;
    },
  };
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

/** The exporter, but that it says when it begins to fail: once until it has sent something again. */
function telling(exporter: SpanExporter, warn: (line: string) => void): SpanExporter {
  let failing = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error && !failing) warn(`spans cannot be sent to the collector: ${result.error.message}`);
        failing = result.error !== undefined;
        done(result);
      });
    },
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => exporter.shutdown(),
  };
}
