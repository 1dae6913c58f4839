import { trace } from '@opentelemetry/api';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { invalidInput } from '../foundation/errors';
import { LogFile } from './log-file';
import { emitLogRecord } from './telemetry/log-records';
import type { ServiceName } from './telemetry/spans';

export type { Logger };

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Fields that are never logged: credentials and content of calls. */
const SECRETS = ['authorization', 'Authorization', 'cookie', 'token', 'password', 'body', 'request'];
/** Depths at which these fields are redacted: a line's object, and three levels below it. */
const DEPTHS = ['', '*.', '*.*.', '*.*.*.'];

/**
 * Opens a service's log: one line of JSON per event, on stderr, with the active span's ids.
 * HIFI_LOG sets its level, `info` by default. A line that cannot be written is lost; the caller
 * does not notice. The line is also an OpenTelemetry log record, if logs are exported.
 *
 * @param to destination of the lines; default: stderr, where each is written before the call
 *   returns, so that a crash loses none
 * @throws HifiError INVALID_INPUT if HIFI_LOG is no level
 */
export function openLog(
  service: ServiceName | 'supervisor',
  to: { write(line: string): void } = new LogFile(2),
): Logger {
  const level = process.env.HIFI_LOG || 'info';
  if (!LEVELS.includes(level)) throw invalidInput(`HIFI_LOG is "${level}"; it must be one of ${LEVELS.join(', ')}`);
  return pino(
    {
      level,
      base: { service: `hifi-${service}`, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => DEPTHS.map((depth) => depth + name)), censor: '[redacted]' },
      mixin: spanIds,
    },
    {
      write(line: string) {
        to.write(line);
        emitLogRecord(line);
      },
    },
  );
}

/** Returns the ids that connect a log line with its trace. */
function spanIds(): Record<string, string> {
  const span = trace.getActiveSpan()?.spanContext();
  return span ? { trace_id: span.traceId, span_id: span.spanId } : {};
}
