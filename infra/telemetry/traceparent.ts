import { randomBytes } from 'node:crypto';
import { isSpanContextValid, type Span, type SpanContext, trace } from '@opentelemetry/api';

/*
 * W3C's traceparent identifies a span as text: `00-TRACE ID-SPAN ID-FLAGS` in hex. hifi passes it
 * in gRPC metadata, NATS headers and a job's record, and to other processes.
 */

/**
 * Format from https://www.w3.org/TR/trace-context/#traceparent-header. A version after 00 may add
 * parts; version ff is invalid.
 */
const TRACEPARENT = /^(?!ff)([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** Parses a traceparent; undefined if it is invalid. */
export function parseTraceparent(traceparent: string): SpanContext | undefined {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(traceparent) ?? [];
  if (version === undefined || (version === '00' && more !== undefined)) return undefined;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}

/** Formats a span's traceparent; undefined if telemetry is off and no caller passed one. */
function traceparentOf(span: Span): string | undefined {
  const context = span.spanContext();
  return isSpanContextValid(context) ? format(context) : undefined;
}

/** Formats the active span's traceparent; see `traceparentOf`. */
export function currentTraceparent(): string | undefined {
  const span = trace.getActiveSpan();
  return span && traceparentOf(span);
}

/**
 * Creates the id of a future span, for `SpanSettings.spanId`. A process stores it before the span
 * begins, so that another process can record the span if the first one is killed.
 */
export function newSpanId(): string {
  const id = randomBytes(8).toString('hex');
  return /^0+$/.test(id) ? newSpanId() : id;
}

/**
 * Formats the traceparent of the span with this id in the trace of another span.
 *
 * @param traceparent any span of the trace
 * @returns undefined if `traceparent` is invalid
 */
export function siblingTraceparent(traceparent: string, spanId: string): string | undefined {
  const context = parseTraceparent(traceparent);
  return context && format({ ...context, spanId });
}

/** Extracts the trace's id, 32 hex digits; undefined if `traceparent` is invalid. */
export const traceIdOf = (traceparent: string) => parseTraceparent(traceparent)?.traceId;

const format = ({ traceId, spanId, traceFlags }: SpanContext) =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
