import { freePorts } from './ports';
import { type ServerProcess, startProcess } from './server-process';
import { findTool } from './tools';

/** Span in the form of Jaeger's API; times in microseconds since the epoch. */
export interface JaegerSpan {
  traceID: string;
  spanID: string;
  operationName: string;
  references: { refType: 'CHILD_OF' | 'FOLLOWS_FROM'; traceID: string; spanID: string }[];
  startTime: number;
  duration: number;
  tags: { key: string; type: string; value: unknown }[];
  logs: { timestamp: number; fields: { key: string; value: unknown }[] }[];
  processID: string;
  warnings: string[] | null;
}

export interface JaegerTrace {
  traceID: string;
  spans: JaegerSpan[];
  processes: Record<string, { serviceName: string; tags: { key: string; value: unknown }[] }>;
}

export interface Jaeger {
  /** Address of OTLP over HTTP: traces are received below `/v1/traces`. */
  readonly otlp: string;
  /** Address of Jaeger's page and API. */
  readonly query: string;
  /** Latest traces with a span of a service, e.g. `hifi-gateway`. */
  traces(service: string): Promise<JaegerTrace[]>;
  /** Trace with its spans so far; `undefined` if there are none. */
  trace(id: string): Promise<JaegerTrace | undefined>;
  stop(): Promise<void>;
}

/** Servers of Jaeger 1.76, each with its own port. */
const SERVERS = [
  'query.http-server',
  'collector.otlp.http',
  'collector.otlp.grpc',
  'collector.http-server',
  'collector.grpc-server',
  'query.grpc-server',
  'admin.http',
];
/** Most starts; another process may take one of the ports. */
const ATTEMPTS = 3;

/**
 * Starts Jaeger (1.x, all in one, traces in memory) on free ports of the loopback interface.
 *
 * @throws Error if jaeger-all-in-one is missing, or with its last line if it does not start
 */
export async function startJaeger(): Promise<Jaeger> {
  const program = findTool('jaeger-all-in-one');
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts(SERVERS.length);
    const args = SERVERS.map((name, i) => `--${name}.host-port=127.0.0.1:${ports[i]}`);
    const [query, otlp] = ports.map((port) => `http://127.0.0.1:${port}`);
    const ready = async () => ((await fetch(`${query}/api/services`)).ok ? true : undefined);
    try {
      const { server } = await startProcess(program, args, ready, { SPAN_STORAGE_TYPE: 'memory' });
      return client(server, query, otlp);
    } catch (error) {
      if (attempt === ATTEMPTS || !/address already in use/.test(String(error))) throw error;
    }
  }
}

function client(server: ServerProcess, query: string, otlp: string): Jaeger {
  const get = async (address: string): Promise<JaegerTrace[]> => {
    const answer = await fetch(`${query}/api/${address}`);
    if (answer.status === 404) return [];
    if (!answer.ok) throw new Error(`Jaeger answers ${address} with ${answer.status}: ${await answer.text()}`);
    return ((await answer.json()) as { data: JaegerTrace[] }).data;
  };
  return {
    otlp,
    query,
    traces: (service) => get(`traces?service=${encodeURIComponent(service)}&limit=1000`),
    trace: async (id) => (await get(`traces/${id}`))[0],
    stop: () => server.kill('SIGKILL'),
  };
}
