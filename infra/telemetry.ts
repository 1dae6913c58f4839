import { context, INVALID_SPAN_CONTEXT, trace } from '@opentelemetry/api';
import { invalidInput } from '../foundation/errors';
import { contextUnder, useAsyncContext } from './telemetry/context';
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

/** Where the collector's address is: its root, to which `/v1/traces` and `/v1/metrics` are added. */
const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';

/**
 * The telemetry of a service. It is on where OTEL_EXPORTER_OTLP_ENDPOINT names a collector (OTLP over HTTP, e.g.
 * `http://127.0.0.1:4318`); a span is there within a second of its end. Without it none of the packages that measure and send is
 * loaded; a caller's traceparent is still passed on.
 *
 * @param version of the package, told with each span
 * @param warn told a line when the collector cannot be reached, once until it can
 * @throws HifiError INVALID_INPUT when the variable is no address
 */
export function openTelemetry(
  service: ServiceName,
  version?: string,
  warn: (line: string) => void = () => {},
): Telemetry {
  useAsyncContext();
  const endpoint = process.env[ENDPOINT]?.trim();
  if (!endpoint) return OFF;
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
    throw invalidInput(`${ENDPOINT} is "${endpoint}": it must be an address such as http://127.0.0.1:4318`);
  }
  // Loaded here and not above: where telemetry is off it costs no time and no memory.
  const loaded: typeof import('./telemetry/exporting') = require('./telemetry/exporting');
  return loaded.exporting(service, version, warn);
}

const OFF: Telemetry = {
  on: false,
  async inSpan(_name, { parent }, work) {
    const under = contextUnder(parent);
    const span = trace.getSpan(under) ?? trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
    return context.with(under, work, undefined, span);
  },
  record() {},
  histogram: () => ({ record() {} }),
  async shutdown() {},
};
