import * as path from 'node:path';
import { Inputs } from '../artifacts/inputs';
import { RemoteArtifacts } from '../artifacts/remote';
import { Results } from '../artifacts/results';
import { ArtifactStore } from '../artifacts/store';
import type { ServePart } from './settings';

/** Where a service finds what requests name, and where its results go. */
export function serviceFiles({ stateDir, dataRoots, gateway, name }: ServePart): { inputs: Inputs; results: Results } {
  const store = new ArtifactStore(path.join(stateDir, 'artifacts'));
  // A gateway in this process has the same store.
  const remote = gateway && new RemoteArtifacts(store, gateway);
  return {
    inputs: new Inputs({
      store,
      dataRoots,
      scratch: path.join(stateDir, 'scratch', name),
      ...(remote && { fetch: (sha256, signal) => remote.fetch(sha256, signal) }),
    }),
    results: new Results(store, remote),
  };
}
