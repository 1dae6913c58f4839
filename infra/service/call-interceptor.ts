import { context } from '@opentelemetry/api';
import { rpcErrorOf, status } from '../../proto/status';
import type { CallInterceptor } from '../grpc/handlers';
import type { Logger } from '../log';
import type { Telemetry } from '../telemetry';
import { extract } from '../telemetry/propagation';

/** Read-only calls: too many for a span each. */
const QUIET = /\/(Get|List|Watch)/;
/** Statuses of a client's mistake, which are no error of the service. */
const CLIENTS = [
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.FAILED_PRECONDITION,
  status.CANCELLED,
  status.RESOURCE_EXHAUSTED,
];

/** Interceptor of every call of a service: its span, its duration, its error in the log. */
export function callInterceptor(telemetry: Telemetry, log: Logger): CallInterceptor {
  const seconds = telemetry.histogram('rpc.server.call.duration', 's', 'Duration of calls');
  return async (call, work) => {
    const started = performance.now();
    const traced = async () => {
      try {
        await work();
        seconds.record((performance.now() - started) / 1000, { 'rpc.method': call.method });
      } catch (thrown) {
        const error = rpcErrorOf(thrown);
        const attributes = { 'rpc.method': call.method, 'rpc.response.status_code': status[error.code] };
        seconds.record((performance.now() - started) / 1000, attributes);
        const level = CLIENTS.includes(error.code) ? 'info' : 'error';
        const cause = level === 'error' ? { err: thrown } : {};
        log[level]({ method: call.method, code: status[error.code], reason: error.reason, ...cause }, error.message);
        throw thrown;
      }
    };
    const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': call.method };
    return context.with(extract(call.metadata), () =>
      QUIET.test(call.method) ? traced() : telemetry.inSpan(call.method, { kind: 'server', attributes }, traced),
    );
  };
}
