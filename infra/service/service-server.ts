import * as fs from 'node:fs';
import { latestAttempts } from '../grpc/attempts';
import type { CallInterceptor } from '../grpc/handlers';
import { roleFor } from '../grpc/roles';
import { GrpcServer } from '../grpc/server';
import { type Logger, openLog } from '../log';
import type { Parts } from '../parts';
import { openTelemetry, type Telemetry } from '../telemetry';
import { callInterceptor } from './call-interceptor';
import type { ServePart } from './settings';

/** Log, telemetry and server of a service. */
export interface ServiceServer {
  log: Logger;
  telemetry: Telemetry;
  server: GrpcServer;
  /** Interceptor of the server's calls, for those that arrive over HTTP too. */
  interceptor: CallInterceptor;
  /** Binds and serves. @returns the port */
  start(): Promise<number>;
}

/** Time that open calls have to finish when a service ends, in milliseconds. */
export const GRACE_MS = 5000;

/**
 * Creates the log, telemetry and server of a service.
 *
 * @param parts ends the telemetry, and the server once it has started
 * @throws HifiError INVALID_INPUT for an unprotected bind address
 */
export function serviceServer(settings: ServePart, parts: Parts): ServiceServer {
  const { name, host, port, guard, insecure, version, socket } = settings;
  const log = openLog(name);
  const telemetry = openTelemetry(name, version, (line) => log.warn(line));
  parts.add(async () => {
    await telemetry.shutdown();
    log.info('ended');
  });
  const traced = callInterceptor(telemetry, log);
  const latest = latestAttempts();
  const interceptor: CallInterceptor = (call, work) =>
    // No job calls these methods, and their callers must not end a job's calls.
    traced(call, () => (roleFor(call.method) === 'infer' ? work() : latest(call, work)));
  const server = new GrpcServer({ host, port, guard, insecure, interceptor });
  return {
    log,
    telemetry,
    server,
    interceptor,
    async start() {
      if (socket !== undefined) {
        // A socket that a killed process left.
        fs.rmSync(socket, { force: true });
        parts.add(() => fs.rmSync(socket, { force: true }));
      }
      const bound = await server.start(socket);
      parts.add(() => server.drain(GRACE_MS));
      log.info({ host, port: bound }, 'serving');
      return bound;
    },
  };
}
