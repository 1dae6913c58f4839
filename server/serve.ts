import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { GrpcClient } from '../infra/grpc/client';
import { lockFor } from '../infra/process-lock';
import { serveAnalyzer } from './analyzer';
import { serveGateway } from './gateway';
import type { Served, ServedName, ServePart, ServeSettings } from './settings';
import { serveTrainer } from './trainer';

/** The longest path of a folder of sockets, in characters. */
const SOCKET_FOLDER_MOST = 90;

/**
 * Serves one service, or several in one process. They are reached at their ports; those of one process reach each other by a Unix
 * socket in the state directory, which no one else may enter.
 *
 * @throws HifiError INVALID_INPUT for a state directory where one of the services is served already, or a bind that is not guarded; FAILED for a port that is taken
 */
export async function serve(settings: ServeSettings): Promise<{ served: Served[]; stop(): Promise<void> }> {
  const { stateDir, services, peers, credentials, guard } = settings;
  fs.mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  // The system takes 107 bytes of a socket's path.
  const short = path.resolve(stateDir).length <= SOCKET_FOLDER_MOST;
  const socketDir = short ? path.resolve(stateDir) : fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-'));
  const here = (name: ServedName) => services.includes(name);
  const socketOf = (name: ServedName) => path.join(socketDir, `${name}.sock`);
  const clients: GrpcClient[] = [];
  const clientOf = (name: ServedName) => {
    const client = here(name)
      ? new GrpcClient(`unix:${socketOf(name)}`, guard.token === undefined ? {} : { token: guard.token })
      : new GrpcClient(peers[name] as string, credentials);
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
    if (!short) fs.rmSync(socketDir, { recursive: true, force: true });
  };
  try {
    // Before anything of another process is touched: its sockets, its jobs, its runs.
    for (const name of services) locks.push(lockFor(path.join(stateDir, `${name}.lock`), `the ${name} of ${stateDir}`));
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
