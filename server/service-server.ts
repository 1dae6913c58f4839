import { GrpcServer } from '../infra/grpc/server';
import { type Logger, openLog } from '../infra/log';
import { openTelemetry, type Telemetry } from '../infra/telemetry';
import type { ServedName, ServeSettings } from './settings';
import { surround } from './surround';

/** What each service has: its log, its telemetry and its server. */
export interface ServiceServer {
  log: Logger;
  telemetry: Telemetry;
  server: GrpcServer;
  /** @returns the port */
  start(socket: string): Promise<number>;
  /** Lets calls end, and sends what there is to tell. */
  end(): Promise<void>;
}

/** How long calls may go on when a service ends, in milliseconds. */
const GRACE_MS = 5000;

/** @throws HifiError INVALID_INPUT for a bind that is not guarded */
export function serviceServer(name: ServedName, settings: ServeSettings): ServiceServer {
  const { host, ports, guard, insecure, version } = settings;
  const log = openLog(name);
  const telemetry = openTelemetry(name, version, (line) => log.warn(line));
  const server = new GrpcServer({ host, port: ports[name], guard, insecure, surround: surround(telemetry, log) });
  return {
    log,
    telemetry,
    server,
    async start(socket) {
      const port = await server.start(socket);
      log.info({ host, port }, 'serving');
      return port;
    },
    async end() {
      await server.drain(GRACE_MS);
      await telemetry.shutdown();
      log.info('ended');
    },
  };
}
