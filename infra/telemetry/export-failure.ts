import type { Collector } from './collectors';

/** Time without a failure after which the same failure is reported again, in milliseconds. */
const QUIET_MS = 60_000;

/** Reports in one line each why telemetry could not be sent, and a lasting failure only once. */
export class ExportFailures {
  private readonly last = new Map<string, number>();

  constructor(
    private readonly collectors: readonly Collector[],
    private readonly warn: (line: string) => void,
  ) {}

  report(thrown: unknown): void {
    const line = failureLine(thrown, this.collectors);
    const before = this.last.get(line);
    const now = performance.now();
    this.last.set(line, now);
    if (before === undefined || now - before > QUIET_MS) this.warn(line);
  }
}

/** Ports by convention, for a collector that speaks another protocol than the exporter. */
const CONVENTION = 'by convention port 4317 is gRPC and port 4318 is HTTP';

/**
 * Line for a failed export. The SDK does not say which signal failed: the line names each collector
 * that the failure can concern.
 */
function failureLine(thrown: unknown, collectors: readonly Collector[]): string {
  const { message, code }: Error & { code?: unknown } = thrown instanceof Error ? thrown : new Error(String(thrown));
  const text = message.replace(/^PeriodicExportingMetricReader: .*?\(error (.*)\)$/s, '$1');
  const isGrpc = /^\d+ [A-Z_]+: /.test(text.replace(/^Error: /, ''));
  const concerned = collectors.filter(({ protocol }) => (protocol === 'grpc') === isGrpc);
  const where = (concerned.length > 0 ? concerned : collectors)
    .map(({ address, protocol }) => `${address} by ${protocol}`)
    .join(' or ');
  return `telemetry cannot be sent to ${where}: ${reasonOf(text, code)}`;
}

function reasonOf(text: string, code: unknown): string {
  if (text.includes('Parse Error: Expected HTTP/')) {
    return `no HTTP server answers there; ${CONVENTION}: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or the port of HTTP`;
  }
  if (text.includes('Last error: Protocol error')) {
    return `no gRPC server answers there; ${CONVENTION}: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or the port of gRPC`;
  }
  if (/wrong version number/.test(text)) return 'no TLS is spoken there: an address without TLS begins with http://';
  if (/DEADLINE_EXCEEDED|timed out|Timeout/.test(text)) return 'no answer in time';
  const refused = /\bE[A-Z]{4,}\b/.exec(text);
  if (refused) return `it cannot be reached (${refused[0]})`;
  const [first] = text.replace(/^\w*Error: /, '').split('\n');
  const reason = typeof code === 'number' && code >= 100 ? `${code} ${first}` : first;
  if (!/Not Found|UNIMPLEMENTED/.test(text)) return reason;
  return `${reason}; for a collector that takes no metrics or no logs set OTEL_METRICS_EXPORTER=none or OTEL_LOGS_EXPORTER=none`;
}
