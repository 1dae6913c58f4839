import * as fs from 'node:fs';
import * as path from 'node:path';
import { keepCacheSwept } from '../artifacts/cache-sweep';
import { Inputs } from '../artifacts/inputs';
import { openArtifacts } from '../artifacts/open';
import { RemoteArtifacts } from '../artifacts/remote';
import { ResultArtifacts } from '../artifacts/result-artifacts';
import type { RunStore } from '../artifacts/run-store';
import type { Logger } from '../log';
import type { ServePart } from './settings';

interface ServiceFiles {
  inputs: Inputs;
  results: ResultArtifacts;
  /** Files of trainings that other trainers reach too. */
  runs?: RunStore;
  /** Stops the sweeps of the cache. */
  stopSweeping(): Promise<void>;
}

/**
 * Opens the inputs that requests name and the store of the service's results: the store that it
 * shares with the gateway, or a cache of the gateway's.
 *
 * @throws HifiError as `openArtifacts`
 */
export async function serviceFiles(settings: ServePart, log: Logger): Promise<ServiceFiles> {
  const { stateDir, artifacts, dataRoots, gateway, name } = settings;
  const { store, cache = store, runs } = await openArtifacts(settings, log);
  const remote = artifacts === undefined && gateway ? new RemoteArtifacts(store, gateway) : undefined;
  // The folder of a state directory with jobs is shared with a gateway, whose jobs determine which
  // files are needed.
  const isCache = () => cache !== store || (remote !== undefined && !fs.existsSync(path.join(stateDir, 'jobs')));
  return {
    inputs: new Inputs({
      store,
      dataRoots,
      scratch: path.join(stateDir, 'scratch', name),
      ...(remote && { fetch: (sha256, signal) => remote.fetch(sha256, signal) }),
    }),
    results: new ResultArtifacts(store, remote),
    ...(runs && { runs }),
    stopSweeping: keepCacheSwept(cache, isCache, (error) => log.error({ err: error }, 'sweeping failed')),
  };
}
