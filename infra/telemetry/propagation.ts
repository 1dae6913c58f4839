import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  trace,
} from '@opentelemetry/api';
import { currentTraceparent, parseTraceparent } from './traceparent';

/** Request that carries its caller's span and baggage by name, such as gRPC's metadata. */
export interface Carrier {
  get(name: string): unknown[];
  getMap(): Record<string, unknown>;
  set(name: string, value: string): void;
}

const SETTER: TextMapSetter<Carrier> = { set: (carrier, name, value) => carrier.set(name, value) };
const GETTER: TextMapGetter<Carrier> = {
  get: (carrier, name) => carrier.get(name).filter((value) => typeof value === 'string'),
  keys: (carrier) => Object.keys(carrier.getMap()),
};

/** Writes the active span and baggage to a request, in the formats of OTEL_PROPAGATORS. */
export const inject = (carrier: Carrier) => propagation.inject(context.active(), carrier, SETTER);

/** Reads a request's span and baggage. @returns the root context with them */
export const extract = (carrier: Carrier) => propagation.extract(ROOT_CONTEXT, carrier, GETTER);

/** Returns the active context with another span in it; see `SpanSettings.parent`. */
export function contextUnder(parent: string | Span | null | undefined): Context {
  const active = context.active();
  if (parent === undefined) return active;
  if (parent !== null && typeof parent !== 'string') return trace.setSpan(active, parent);
  const spanContext = parent === null ? undefined : parseTraceparent(parent);
  return spanContext ? trace.setSpanContext(active, spanContext) : trace.deleteSpan(active);
}

/** Propagator of a caller's traceparent, for a process that does not load the SDK. */
export const TRACE_CONTEXT: TextMapPropagator = {
  inject(active, carrier, setter) {
    const traceparent = context.with(active, currentTraceparent);
    if (traceparent !== undefined) setter.set(carrier, 'traceparent', traceparent);
  },
  extract(into, carrier, getter) {
    const [traceparent] = [getter.get(carrier, 'traceparent') ?? []].flat();
    const spanContext = traceparent === undefined ? undefined : parseTraceparent(traceparent);
    return spanContext ? trace.setSpanContext(into, spanContext) : into;
  },
  fields: () => ['traceparent'],
};
