import { invalidInput } from '../../foundation/errors';

/** Kinds of telemetry, as the OTEL_* variables name them. */
export const SIGNALS = ['TRACES', 'METRICS', 'LOGS'] as const;
export type Signal = (typeof SIGNALS)[number];

/** Where telemetry is sent by OTLP, and by which protocol. */
export interface Collector {
  address: string;
  /** `grpc`, `http/protobuf` or `http/json`. */
  protocol: string;
}

/**
 * Signals that the environment asks to export. A signal is exported if OTEL_<signal>_EXPORTER names
 * an exporter, or by OTLP if an endpoint is set for it or for all signals.
 */
export function exportedSignals(): Signal[] {
  if (variable('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return [];
  return SIGNALS.filter((signal) => {
    const exporters = exportersOf(signal);
    return exporters ? !exporters.includes('none') : endpointOf(signal) !== undefined;
  });
}

/**
 * Collectors that receive these signals by OTLP, each once.
 *
 * @throws HifiError INVALID_INPUT for an endpoint that is no address
 */
export function collectorsOf(signals: readonly Signal[]): Collector[] {
  const collectors = signals
    .filter((signal) => exportersOf(signal)?.includes('otlp') ?? true)
    .map((signal) => collectorOf(signal));
  return collectors.filter(
    ({ address, protocol }, i) =>
      collectors.findIndex((other) => other.address === address && other.protocol === protocol) === i,
  );
}

function collectorOf(signal: Signal): Collector {
  const protocol =
    variable(`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`) ?? variable('OTEL_EXPORTER_OTLP_PROTOCOL') ?? 'http/protobuf';
  const port = protocol === 'grpc' ? 4317 : 4318;
  const endpoint = endpointOf(signal);
  if (endpoint === undefined) return { address: `http://localhost:${port}`, protocol };
  const { name, value } = endpoint;
  const isAddress = /^https?:\/\//.test(value) || (protocol === 'grpc' && !/^\w*:\/\//.test(value));
  if (!/^unix:/.test(value) && !(isAddress && URL.canParse(value.includes('//') ? value : `https://${value}`))) {
    throw invalidInput(`${name} is "${value}": it must be an address such as http://127.0.0.1:${port}`);
  }
  // A password in an address is not for a log.
  return { address: value.replace(/\/\/[^/@]*@/, '//'), protocol };
}

function endpointOf(signal: Signal): { name: string; value: string } | undefined {
  for (const name of [`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, 'OTEL_EXPORTER_OTLP_ENDPOINT']) {
    const value = variable(name);
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

const exportersOf = (signal: Signal) =>
  variable(`OTEL_${signal}_EXPORTER`)
    ?.split(',')
    .map((name) => name.trim());

/** Value of a variable; undefined if it is unset or empty. */
const variable = (name: string) => process.env[name]?.trim() || undefined;
