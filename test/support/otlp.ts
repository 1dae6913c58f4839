import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from './until';

/*
 * Collector of OpenTelemetry's spans and metrics by OTLP over HTTP with JSON bodies. It stores what
 * it receives, flattened, in the order of arrival.
 */

/** Attribute values; 64-bit integers become numbers. */
export type Attributes = Record<string, unknown>;

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  /** `undefined` for a root. */
  parentSpanId: string | undefined;
  name: string;
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /** `service.name` of the resource. */
  service: string;
  /** Milliseconds since the epoch. */
  start: number;
  end: number;
  /** Time of arrival. */
  arrived: number;
  attributes: Attributes;
  events: { name: string; time: number; attributes: Attributes }[];
  links: { traceId: string; spanId: string; attributes: Attributes }[];
  status: { code: 'unset' | 'ok' | 'error'; message: string };
}

export interface ReceivedPoint {
  service: string;
  /** Name of the metric, e.g. `hifi.stage.seconds`. */
  name: string;
  unit: string;
  description: string;
  attributes: Attributes;
  /** For a histogram: number of values, their sum, and the counts of the buckets. */
  count?: number;
  sum?: number;
  bounds?: number[];
  buckets?: number[];
  /** For a counter or gauge. */
  value?: number;
}

export interface OtlpReceiver {
  /** Value for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  readonly spans: ReceivedSpan[];
  /** Points of all exports. A histogram's points repeat, with growing counts. */
  readonly metrics: ReceivedPoint[];
  /**
   * Waits until `predicate` holds for the received data.
   *
   * @param what name for the error, which also lists the names of the received spans
   */
  waitFor(predicate: (receiver: OtlpReceiver) => boolean, what: string, waitMs?: number): Promise<void>;
  /** Stops answering, like a collector that hangs; `false` undoes it. */
  hang(on: boolean): void;
  /** Answers every export with 403. */
  refuse(on: boolean): void;
  /** Number of refused batches of spans. */
  readonly refused: number;
  stop(): Promise<void>;
}

/** @param port default: a free port of the loopback interface */
export async function startOtlpReceiver(port = 0): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const metrics: ReceivedPoint[] = [];
  let [hanging, refusing, refused] = [false, false, 0];
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (hanging) return;
    if (refusing) {
      if (request.url === '/v1/traces') refused += 1;
      response.writeHead(403).end();
      return;
    }
    const body = () => JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (request.url === '/v1/traces') spans.push(...spansIn(body()));
    else if (request.url === '/v1/metrics') metrics.push(...pointsIn(body()));
    else response.statusCode = 404;
    response.setHeader('content-type', 'application/json');
    response.end('{}');
  });
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  const receiver: OtlpReceiver = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metrics,
    async waitFor(predicate, what, waitMs) {
      const names = () => ({ received: [...spans, ...metrics].map(({ name }) => name), holds: predicate(receiver) });
      await until(names, ({ holds }) => holds, what, waitMs);
    },
    hang(on) {
      hanging = on;
    },
    refuse(on) {
      refusing = on;
    },
    get refused() {
      return refused;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
  return receiver;
}

const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUSES = ['unset', 'ok', 'error'] as const;

interface Wire {
  resourceSpans?: { resource: { attributes: WireAttribute[] }; scopeSpans: { spans: WireSpan[] }[] }[];
  resourceMetrics?: { resource: { attributes: WireAttribute[] }; scopeMetrics: { metrics: WireMetric[] }[] }[];
}
interface WireAttribute {
  key: string;
  value: WireValue;
}
interface WireValue {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string | number;
  doubleValue?: number;
  arrayValue?: { values: WireValue[] };
}
interface WireSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: WireAttribute[];
  events?: { name: string; timeUnixNano: string; attributes?: WireAttribute[] }[];
  links?: { traceId: string; spanId: string; attributes?: WireAttribute[] }[];
  status?: { code?: number; message?: string };
}
interface WirePoint {
  attributes?: WireAttribute[];
  count?: string | number;
  sum?: number;
  explicitBounds?: number[];
  bucketCounts?: (string | number)[];
  asDouble?: number;
  asInt?: string | number;
}
interface WireMetric {
  name: string;
  unit: string;
  description: string;
  histogram?: { dataPoints: WirePoint[] };
  sum?: { dataPoints: WirePoint[] };
  gauge?: { dataPoints: WirePoint[] };
}

function spansIn({ resourceSpans = [] }: Wire): ReceivedSpan[] {
  const arrived = Date.now();
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap((scope) => scope.spans)
      .map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId || undefined,
        name: span.name,
        kind: KINDS[span.kind],
        service: serviceOf(resource),
        start: milliseconds(span.startTimeUnixNano),
        end: milliseconds(span.endTimeUnixNano),
        arrived,
        attributes: plain(span.attributes),
        events: (span.events ?? []).map((event) => ({
          name: event.name,
          time: milliseconds(event.timeUnixNano),
          attributes: plain(event.attributes),
        })),
        links: (span.links ?? []).map(({ traceId, spanId, attributes }) => ({
          traceId,
          spanId,
          attributes: plain(attributes),
        })),
        status: { code: STATUSES[span.status?.code ?? 0], message: span.status?.message ?? '' },
      })),
  );
}

function pointsIn({ resourceMetrics = [] }: Wire): ReceivedPoint[] {
  return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics
      .flatMap((scope) => scope.metrics)
      .flatMap(({ name, unit, description, ...kinds }) =>
        (kinds.histogram ?? kinds.sum ?? kinds.gauge)?.dataPoints.map((point) => ({
          ...{ service: serviceOf(resource), name, unit, description, attributes: plain(point.attributes) },
          ...(kinds.histogram
            ? {
                count: Number(point.count),
                sum: point.sum,
                bounds: point.explicitBounds,
                buckets: point.bucketCounts?.map(Number),
              }
            : { value: Number(point.asDouble ?? point.asInt) }),
        })),
      )
      .filter((point) => point !== undefined),
  );
}

const serviceOf = (resource: { attributes: WireAttribute[] }) => String(plain(resource.attributes)['service.name']);

const milliseconds = (nanoseconds: string) => Number(BigInt(nanoseconds) / 1000n) / 1000;

const plain = (attributes: WireAttribute[] = []): Attributes =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));

function plainValue(value: WireValue): unknown {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue) return value.arrayValue.values.map(plainValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
}
