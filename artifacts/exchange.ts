import * as path from 'node:path';
import type { GrpcClient } from '../infra/grpc/client';
import { Inputs } from './inputs';
import { RemoteArtifacts } from './remote';
import { Results } from './results';
import { ArtifactStore } from './store';

/** Where a service's files lie. */
export interface ServiceFolders {
  /** What it keeps; services of one machine may share it. */
  stateDir: string;
  /** Folders that clients may name models and rows in. */
  dataRoots: readonly string[];
  /** The gateway, where that does not share `stateDir`: artifacts are fetched from it and published to it. */
  gateway?: GrpcClient;
}

/** The artifacts of a state folder. */
export const artifactStore = (stateDir: string) => new ArtifactStore(path.join(stateDir, 'artifacts'));

/**
 * What a service reads and where its results go.
 *
 * @throws HifiError INVALID_INPUT for a data root that is no folder
 */
export function openExchange({ stateDir, dataRoots, gateway }: ServiceFolders): { inputs: Inputs; results: Results } {
  const store = artifactStore(stateDir);
  const remote = gateway && new RemoteArtifacts(store, gateway);
  const scratch = path.join(stateDir, 'scratch');
  return {
    inputs: new Inputs({ store, dataRoots, scratch, fetch: remote?.fetch.bind(remote) }),
    results: new Results(store, remote?.publish.bind(remote)),
  };
}
