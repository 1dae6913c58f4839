import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { readRequest } from './otlp-protobuf';
import { until } from './until';

/*
 * Collector of OpenTelemetry's spans, metrics and log records, as OTLP brings them: by gRPC, or by
 * HTTP with bodies in protobuf or JSON. It stores what it receives, flattened, in the order of
 * arrival.
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

export interface ReceivedLog {
  service: string;
  /** Milliseconds since the epoch. */
  time: number;
  severity: string;
  severityNumber: number;
  body: unknown;
  attributes: Attributes;
  /** `undefined` outside a span. */
  traceId: string | undefined;
  spanId: string | undefined;
}

/** Request of an exporter. */
export interface ReceivedRequest {
  signal: Signal;
  protocol: 'grpc' | 'http/protobuf' | 'http/json';
  /** Headers, or metadata. */
  headers: Record<string, unknown>;
  /** Attributes of its resource. */
  resource: Attributes;
  /** Number of spans, metrics or log records. */
  items: number;
}

type Signal = 'traces' | 'metrics' | 'logs';

export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT, with a protocol over HTTP. */
  readonly endpoint: string;
  /** The same for gRPC. */
  readonly grpcEndpoint: string;
  readonly requests: ReceivedRequest[];
  readonly spans: ReceivedSpan[];
  readonly logs: ReceivedLog[];
  /** Points of all exports; each export repeats a histogram's points with greater counts. */
  readonly metrics: ReceivedPoint[];
  /**
   * Waits until `predicate` holds for the received data.
   *
   * @param what name for the error, which also lists the names of the received spans
   */
  waitFor(predicate: (receiver: OtlpReceiver) => boolean, what: string, waitMs?: number): Promise<void>;
  /**
   * Answers nothing any more, as a collector that hangs. `false` undoes it, and ends the requests
   * that hang over HTTP.
   */
  hang(on: boolean): void;
  /** Answers every export with 403. */
  refuse(on: boolean): void;
  /** Number of refused batches of spans. */
  readonly refused: number;
  stop(): Promise<void>;
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const metrics: ReceivedPoint[] = [];
  const logs: ReceivedLog[] = [];
  const requests: ReceivedRequest[] = [];
  const hung: http.ServerResponse[] = [];
  let [hanging, refusing, refused] = [false, false, 0];

  const take = (signal: Signal, protocol: ReceivedRequest['protocol'], headers: object, body: Wire) => {
    const [resources] = Object.values(body) as [{ resource: { attributes: WireAttribute[] } }[]];
    const [before, all] = [spans.length + logs.length, () => spans.length + logs.length];
    spans.push(...spansIn(body));
    const points = pointsIn(body);
    metrics.push(...points);
    logs.push(...logsIn(body));
    const resource = plain(resources[0].resource.attributes);
    const items = all() - before + points.length;
    requests.push({ signal, protocol, headers: { ...headers }, resource, items });
  };

  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (hanging) {
      hung.push(response);
      return;
    }
    const [, signal] = /^\/v1\/(traces|metrics|logs)$/.exec(request.url ?? '') ?? [];
    if (signal === undefined || refusing) {
      if (signal === 'traces') refused += 1;
      response.writeHead(signal === undefined ? 404 : 403).end();
      return;
    }
    const json = request.headers['content-type'] === 'application/json';
    const bytes = Buffer.concat(chunks);
    const body = json ? JSON.parse(bytes.toString('utf8')) : readRequest(signal as Signal, bytes);
    take(signal as Signal, json ? 'http/json' : 'http/protobuf', request.headers, body);
    response.setHeader('content-type', request.headers['content-type'] as string);
    response.end(json ? '{}' : '');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));

  const grpc = new Server();
  const bytesAsTheyAre = (bytes: Buffer) => bytes;
  for (const signal of ['traces', 'metrics', 'logs'] as const) {
    const name = { traces: 'trace', metrics: 'metrics', logs: 'logs' }[signal];
    const service = `${name[0].toUpperCase()}${name.slice(1)}Service`;
    const method = {
      path: `/opentelemetry.proto.collector.${name}.v1.${service}/Export`,
      ...{ requestStream: false, responseStream: false },
      ...{ requestSerialize: bytesAsTheyAre, requestDeserialize: bytesAsTheyAre },
      ...{ responseSerialize: bytesAsTheyAre, responseDeserialize: bytesAsTheyAre },
    };
    const answer = ({ request, metadata }: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
      if (hanging) return;
      if (refusing) return done({ code: status.PERMISSION_DENIED, details: 'refused' });
      take(signal, 'grpc', metadata.getMap(), readRequest(signal, request));
      done(null, Buffer.alloc(0));
    };
    grpc.addService({ export: method }, { export: answer });
  }
  const grpcPort = await new Promise<number>((bound, failed) =>
    grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? failed(error) : bound(port),
    ),
  );

  const receiver: OtlpReceiver = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    grpcEndpoint: `http://127.0.0.1:${grpcPort}`,
    requests,
    spans,
    metrics,
    logs,
    async waitFor(predicate, what, waitMs) {
      const names = () => ({ received: [...spans, ...metrics].map(({ name }) => name), holds: predicate(receiver) });
      await until(names, ({ holds }) => holds, what, waitMs);
    },
    hang(on) {
      hanging = on;
      if (!on) for (const response of hung.splice(0)) response.destroy();
    },
    refuse(on) {
      refusing = on;
    },
    get refused() {
      return refused;
    },
    async stop() {
      grpc.forceShutdown();
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
  resourceLogs?: { resource: { attributes: WireAttribute[] }; scopeLogs: { logRecords: WireLog[] }[] }[];
}
interface WireLog {
  timeUnixNano: string;
  severityText: string;
  severityNumber: number;
  body: WireValue;
  attributes?: WireAttribute[];
  traceId?: string;
  spanId?: string;
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
  arrayValue?: { values?: WireValue[] };
  kvlistValue?: { values?: WireAttribute[] };
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

function logsIn({ resourceLogs = [] }: Wire): ReceivedLog[] {
  return resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs
      .flatMap((scope) => scope.logRecords)
      .map((record) => ({
        service: serviceOf(resource),
        time: milliseconds(record.timeUnixNano),
        severity: record.severityText,
        severityNumber: record.severityNumber,
        body: plainValue(record.body),
        attributes: plain(record.attributes),
        traceId: record.traceId || undefined,
        spanId: record.spanId || undefined,
      })),
  );
}

const serviceOf = (resource: { attributes: WireAttribute[] }) => String(plain(resource.attributes)['service.name']);

const milliseconds = (nanoseconds: string) => Number(BigInt(nanoseconds) / 1000n) / 1000;

const plain = (attributes: WireAttribute[] = []): Attributes =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));

function plainValue(value: WireValue): unknown {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(plainValue);
  if (value.kvlistValue) return plain(value.kvlistValue.values);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
}
