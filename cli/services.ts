import * as fs from 'node:fs';
import * as path from 'node:path';
import { serveAnalyzer } from '../analyzer/serve';
import { invalidInput } from '../foundation/errors';
import { temporaryFolder } from '../foundation/temporary';
import { serveGateway } from '../gateway/serve';
import { GrpcClient } from '../infra/grpc/client';
import { Parts } from '../infra/parts';
import { lockFor } from '../infra/process-lock';
import type { Served, ServedName, ServePart, ServeSettings } from '../infra/service/settings';
import { serveTrainer } from '../trainer/serve';

/** The longest path of a folder of sockets, in characters. */
const SOCKET_FOLDER_MOST = 90;

/**
 * Serves one service, or several in one process. They are reached at their ports; those of one
 * process reach each other by a Unix socket in the state directory, which no other user may enter.
 * If a service fails to start, all started parts end in order, the locks last, before this throws.
 *
 * @throws HifiError INVALID_INPUT for a state directory where one of the services is served
 *   already, or a bind that is not guarded; FAILED for a port that is taken
 */
export async function serve(settings: ServeSettings): Promise<{ served: Served[]; stop(): Promise<void> }> {
  const { stateDir, services, peers, credentials, guard } = settings;
  const here = (name: ServedName) => services.includes(name);
  const { started, end } = await Parts.start(async (parts) => {
    ownFolder(stateDir);
    // Before anything of another process is touched: its sockets, its jobs, its runs.
    for (const name of services) {
      parts.add(lockFor(path.join(stateDir, `${name}.lock`), `the ${name} of ${stateDir}`));
    }
    const sockets = socketFolder(stateDir, parts);
    const socketOf = (name: ServedName) => path.join(sockets, `${name}.sock`);
    const clientOf = (name: ServedName) => {
      const client = here(name)
        ? new GrpcClient(`unix:${socketOf(name)}`, guard.token === undefined ? {} : { token: guard.token })
        : new GrpcClient(peers[name] as string, credentials);
      parts.add(() => client.close());
      return client;
    };
    const gateway = here('gateway') || peers.gateway === undefined ? undefined : clientOf('gateway');
    const part = (name: ServedName): ServePart => ({ ...settings, name, socket: socketOf(name), gateway });
    const served: Served[] = [];
    if (here('analyzer')) served.push(await serveAnalyzer(part('analyzer'), parts));
    if (here('trainer')) served.push(await serveTrainer(part('trainer'), parts));
    if (here('gateway')) {
      const workers = { analyzer: clientOf('analyzer'), trainer: clientOf('trainer') };
      // Ends first: it interrupts its jobs, which the other services work on.
      served.push(await serveGateway({ ...part('gateway'), ...workers }, parts));
    }
    return served;
  });
  return { served: started, stop: end };
}

/** @throws HifiError INVALID_INPUT for a state directory that this user cannot write to */
function ownFolder(stateDir: string): void {
  try {
    fs.mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    fs.accessSync(stateDir, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw invalidInput(`--state-dir ${stateDir} cannot be written in (${code}): give a folder of your own`, error);
  }
}

/**
 * Folder of the sockets: the state directory, or a short one if its path is too long for the
 * system.
 */
function socketFolder(stateDir: string, parts: Parts): string {
  const own = path.resolve(stateDir);
  if (own.length <= SOCKET_FOLDER_MOST) return own;
  const folder = temporaryFolder('sockets');
  parts.add(() => folder.remove());
  return folder.path;
}
