import * as path from 'node:path';
import { Admission } from '../../infra/admission';
import { FolderArtifacts } from '../../infra/artifacts/folder-store';
import { Inputs } from '../../infra/artifacts/inputs';
import { ResultArtifacts } from '../../infra/artifacts/result-artifacts';
import { ModelDescriptions } from '../../model/description';
import { FIXTURES } from './deltas';

/** Parts of a service other than its engine; clients may name the fixtures. */
export function serviceParts(stateDir: string) {
  const store = new FolderArtifacts(path.join(stateDir, 'artifacts'));
  return {
    store,
    inputs: new Inputs({ store, dataRoots: [FIXTURES], scratch: path.join(stateDir, 'scratch') }),
    results: new ResultArtifacts(store),
    models: new ModelDescriptions(),
    admission: new Admission(),
  };
}
