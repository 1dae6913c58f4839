import { logs, SeverityNumber } from '@opentelemetry/api-logs';

/**
 * Emits a line of the log as an OpenTelemetry log record of the active span, if logs are exported.
 *
 * @param line JSON line that pino wrote; fields that it leaves out are not sent
 */
export function emitLogRecord(line: string): void {
  const logger = logs.getLogger('hifi');
  if (!logger.enabled()) return;
  // The resource has the service and its process, the record the ids of the span.
  const { level, time, msg, err, service, pid, trace_id, span_id, ...attributes } = JSON.parse(line);
  logger.emit({
    body: msg,
    severityText: level,
    severityNumber: SeverityNumber[String(level).toUpperCase() as keyof typeof SeverityNumber],
    timestamp: new Date(time),
    attributes: {
      ...attributes,
      ...(err && { 'exception.type': err.type, 'exception.message': err.message, 'exception.stacktrace': err.stack }),
    },
  });
}
