import * as fs from 'node:fs';
import * as path from 'node:path';
import type { ProcessOptions } from '../infra/engine';
import { GrpcClient } from '../infra/grpc/client';
import type { Credentials, Guard } from '../infra/grpc/credentials';
import { lockFor } from '../infra/process-lock';
import { serveAnalyzer } from './analyzer';
import { serveGateway } from './gateway';
import { serveTrainer } from './trainer';

export const SERVICE_NAMES = ['gateway', 'analyzer', 'trainer'] as const;
export type ServedName = (typeof SERVICE_NAMES)[number];

export interface ServeSettings {
  services: readonly ServedName[];
  /** Jobs, artifacts and checkpoints; is made where it is not there. */
  stateDir: string;
  host: string;
  /** 0: any that is free. */
  ports: Record<ServedName, number>;
  /** Where the other services are, `HOST:PORT`; not asked for those that are served here. */
  peers: Record<ServedName, string>;
  /** Folders that clients may name files and models in. */
  dataRoots: readonly string[];
  guard: Guard;
  /** What this process shows to other services. */
  credentials: Credentials;
  insecure: boolean;
  natsUrl?: string;
  /** How the engines' processes are looked after; by default see `ENGINE_PROCESS`. */
  engineProcess?: ProcessOptions;
  version: string;
}

/** What one of the services is served with. */
export interface ServePart extends ServeSettings {
  name: ServedName;
  /** A Unix socket to be served on too. */
  socket: string;
  /** Where the gateway's artifacts are; undefined where they are this process's own. */
  gateway: GrpcClient | undefined;
}

/** A service that is served; `stop` lets its calls end. */
export interface Served {
  name: ServedName;
  port: number;
  stop(): Promise<void>;
}

/**
 * Serves one service, or several in one process. They are reached at their ports; those of one process reach each other by a Unix
 * socket in the state directory, which no one else may enter.
 *
 * @throws HifiError INVALID_INPUT for a state directory where one of the services is served already, or a bind that is not guarded; FAILED for a port that is taken
 */
export async function serve(settings: ServeSettings): Promise<{ served: Served[]; stop(): Promise<void> }> {
  const { stateDir, services, peers, credentials, guard } = settings;
  fs.mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const here = (name: ServedName) => services.includes(name);
  const socketOf = (name: ServedName) => path.join(stateDir, `${name}.sock`);
  const clients: GrpcClient[] = [];
  const clientOf = (name: ServedName) => {
    const client = here(name)
      ? new GrpcClient(`unix:${path.resolve(socketOf(name))}`, guard.token === undefined ? {} : { token: guard.token })
      : new GrpcClient(peers[name], credentials);
    clients.push(client);
    return client;
  };
  const served: Served[] = [];
  const locks: (() => void)[] = [];
  const stop = async () => {
    // The gateway first: it cuts its jobs, which the others are working on.
    for (const each of [...served].reverse()) await each.stop();
    for (const client of clients) client.close();
    for (const unlock of locks) unlock();
  };
  try {
    // Before anything of another process is touched: its sockets, its jobs, its runs.
    for (const name of services) locks.push(lockFor(path.join(stateDir, `${name}.lock`), `the ${name} of ${stateDir}`));
    const gateway = here('gateway') ? undefined : clientOf('gateway');
    const part = (name: ServedName): ServePart => {
      // Of a process that was killed.
      fs.rmSync(socketOf(name), { force: true });
      return { ...settings, name, socket: socketOf(name), gateway };
    };
    if (here('analyzer')) served.push(await serveAnalyzer(part('analyzer')));
    if (here('trainer')) served.push(await serveTrainer(part('trainer')));
    if (here('gateway')) {
      const workers = { analyzer: clientOf('analyzer'), trainer: clientOf('trainer') };
      served.push(await serveGateway({ ...part('gateway'), ...workers }));
    }
    return { served, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
