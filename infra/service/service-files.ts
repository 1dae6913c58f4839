import * as fs from 'node:fs';
import * as path from 'node:path';
import { keepCacheSwept } from '../artifacts/cache-sweep';
import { Inputs } from '../artifacts/inputs';
import { RemoteArtifacts } from '../artifacts/remote';
import { ResultArtifacts } from '../artifacts/result-artifacts';
import { ArtifactStore } from '../artifacts/store';
import type { Logger } from '../log';
import { artifactsFolder, type ServePart } from './settings';

interface ServiceFiles {
  inputs: Inputs;
  results: ResultArtifacts;
  /** Stops the sweeps of the cache. */
  stopSweeping(): void;
}

/** Opens the inputs that requests name and the store of the service's results. */
export function serviceFiles(settings: ServePart, log: Logger): ServiceFiles {
  const { stateDir, artifacts, dataRoots, gateway, name } = settings;
  const store = new ArtifactStore(artifactsFolder(settings));
  const remote = gateway && new RemoteArtifacts(store, gateway);
  // A folder that the user names, and that of a state directory with jobs, is shared with a
  // gateway, whose jobs determine which files are needed.
  const isCache = () => remote !== undefined && artifacts === undefined && !fs.existsSync(path.join(stateDir, 'jobs'));
  return {
    inputs: new Inputs({
      store,
      dataRoots,
      scratch: path.join(stateDir, 'scratch', name),
      ...(remote && { fetch: (sha256, signal) => remote.fetch(sha256, signal) }),
    }),
    results: new ResultArtifacts(store, remote),
    stopSweeping: keepCacheSwept(store, isCache, (error) => log.error({ err: error }, 'sweeping failed')),
  };
}
