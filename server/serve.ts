import * as fs from 'node:fs';
import * as path from 'node:path';
import { GrpcClient } from '../infra/grpc/client';
import { serveAnalyzer } from './analyzer';
import { serveGateway } from './gateway';
import type { Served, ServedName, ServePart, ServeSettings } from './settings';
import { serveTrainer } from './trainer';

/**
 * Serves one service, or several in one process. They are reached at their ports; those of one process reach each other by a Unix
 * socket in the state directory, which no one else may enter.
 *
 * @throws HifiError INVALID_INPUT for a state directory in use, or a bind that is not guarded; FAILED for a port that is taken
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
      : new GrpcClient(peers[name] as string, credentials);
    clients.push(client);
    return client;
  };
  const served: Served[] = [];
  const stop = async () => {
    // The gateway first: it cuts its jobs, which the others are working on.
    for (const each of [...served].reverse()) await each.stop();
    for (const client of clients) client.close();
  };
  try {
    const gateway = here('gateway') || peers.gateway === undefined ? undefined : clientOf('gateway');
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
