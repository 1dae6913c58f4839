import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import { GrpcClient } from '../infra/grpc/client';
import { Parts } from '../infra/parts';
import { lockFor } from '../infra/process-lock';
import type { Served, ServedName, ServePart, ServeSettings } from '../infra/service/settings';
import { hideFolders } from '../proto/status';

type Serve = (settings: ServePart, parts: Parts) => Promise<Served>;

/** Loads the code of one service. @returns the function that serves it */
export function loadService(name: ServedName): Serve {
  switch (name) {
    case 'analyzer':
      return (require('../analyzer/serve') as typeof import('../analyzer/serve')).serveAnalyzer;
    case 'trainer':
      return (require('../trainer/serve') as typeof import('../trainer/serve')).serveTrainer;
    case 'gateway':
      return (require('../gateway/serve') as typeof import('../gateway/serve')).serveGateway;
  }
}

/**
 * Serves one service in this process. If it fails to start, all started parts end in order, the
 * lock last, before this throws.
 *
 * @throws HifiError INVALID_INPUT for a state directory where this service is served already, or a
 *   bind that is not guarded; FAILED for a port that is in use
 */
export async function serve(settings: ServeSettings): Promise<{ served: Served; stop(): Promise<void> }> {
  const { name, stateDir, dataRoots, peers } = settings;
  hideFolders([stateDir, ...dataRoots].flatMap((folder) => [path.resolve(folder), realOf(folder)]));
  const { started, end } = await Parts.start((parts) => {
    ownFolder(stateDir);
    // The lock comes before anything that another process may own: socket, jobs, runs.
    parts.add(lockFor(path.join(stateDir, `${name}.lock`), `the ${name} of ${stateDir}`));
    const clientAt = (address: string | undefined) =>
      name === 'gateway' || address === undefined ? undefined : clientOf(address, settings, parts);
    const gateway = clientAt(peers.gateway);
    return loadService(name)({ ...settings, gateway, registry: clientAt(peers.registry) ?? gateway }, parts);
  });
  return { served: started, stop: end };
}

/** Path of a folder with its links followed, as far as it exists. */
const realOf = (folder: string) => (fs.existsSync(folder) ? fs.realpathSync(folder) : path.resolve(folder));

function clientOf(address: string, { credentials }: ServeSettings, parts: Parts): GrpcClient {
  const client = new GrpcClient(address, credentials);
  parts.add(() => client.close());
  return client;
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
