import { randomBytes } from 'node:crypto';
import { isSpanContextValid, type Span, type SpanContext, trace } from '@opentelemetry/api';

/*
 * A span as others know it: W3C's traceparent, `00-TRACE ID-SPAN ID-FLAGS` in hex. It is text, so it crosses all there is to
 * cross: gRPC metadata, NATS headers, a job's record, a process.
 */

/** https://www.w3.org/TR/trace-context/#traceparent-header. A version after 00 may add parts; there is none of ff. */
const TRACEPARENT = /^(?!ff)([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** @returns what a traceparent names; `undefined` where it is none */
export function parseTraceparent(traceparent: string): SpanContext | undefined {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(traceparent) ?? [];
  if (version === undefined || (version === '00' && more !== undefined)) return undefined;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}

/** @returns a span's traceparent; `undefined` where telemetry is off and no caller has handed one over */
function traceparentOf(span: Span): string | undefined {
  const context = span.spanContext();
  return isSpanContextValid(context) ? format(context) : undefined;
}

/** The active span's traceparent, see `traceparentOf`. */
export function currentTraceparent(): string | undefined {
  const span = trace.getActiveSpan();
  return span && traceparentOf(span);
}

/** The id of a span to come, for `SpanSettings.spanId`: kept before the span begins, it outlives the process that makes it. */
export function newSpanId(): string {
  const id = randomBytes(8).toString('hex');
  return /^0+$/.test(id) ? newSpanId() : id;
}

/**
 * The traceparent of the span with this id in the trace of another.
 *
 * @param traceparent any span of the trace
 * @returns `undefined` where `traceparent` is none
 */
export function siblingTraceparent(traceparent: string, spanId: string): string | undefined {
  const context = parseTraceparent(traceparent);
  return context && format({ ...context, spanId });
}

/** @returns the trace's id, 32 hex digits; `undefined` where `traceparent` is none */
export const traceIdOf = (traceparent: string) => parseTraceparent(traceparent)?.traceId;

const format = ({ traceId, spanId, traceFlags }: SpanContext) =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
