import { context, INVALID_SPAN_CONTEXT, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { collectorsOf, exportedSignals } from './telemetry/collectors';
import { contextUnder, TRACE_CONTEXT } from './telemetry/propagation';
import type { ServiceName, Telemetry } from './telemetry/spans';

export type {
  Attributes,
  Histogram,
  RecordedSettings,
  ServiceName,
  Span,
  SpanSettings,
  Telemetry,
} from './telemetry/spans';

/**
 * Opens the telemetry of this process, which is one service. OpenTelemetry's SDK for Node reads the
 * OTEL_* variables and is loaded only if they name an exporter, an OTLP endpoint or propagators.
 * Without it a caller's traceparent is still passed on. OpenTelemetry's API is global, so a process
 * opens telemetry again only after `shutdown`.
 *
 * @param version of the package, an attribute of the resource
 * @param warn receives a line if telemetry cannot be sent, once while it lasts
 * @throws HifiError INVALID_INPUT for an endpoint that is no address
 */
export function openTelemetry(
  service: ServiceName,
  version?: string,
  warn: (line: string) => void = () => {},
): Telemetry {
  const signals = exportedSignals();
  const collectors = collectorsOf(signals);
  if (signals.length === 0 && !process.env.OTEL_PROPAGATORS) return off();
  const loaded: typeof import('./telemetry/exporting') = require('./telemetry/exporting');
  return loaded.exporting({ service, version, signals, collectors, warn });
}

function off(): Telemetry {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(TRACE_CONTEXT);
  return {
    on: false,
    async inSpan(_name, { parent }, work) {
      const under = contextUnder(parent);
      const span = trace.getSpan(under) ?? trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
      return context.with(under, work, undefined, span);
    },
    record() {},
    histogram: () => ({ record() {} }),
    async shutdown() {
      context.disable();
      propagation.disable();
    },
  };
}
