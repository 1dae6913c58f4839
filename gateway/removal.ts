import type { ArtifactStore } from '../infra/artifacts/store';
import type { JobStore } from './store';

/** Removals at work, by store and SHA-256. */
const removals = new WeakMap<ArtifactStore, Map<string, Promise<void>>>();

/** Removes a file unless something uses it. Who holds it meanwhile waits for {@link removalOf}. */
export async function removeIfUnused(
  sha256: string,
  store: Pick<JobStore, 'uses'>,
  artifacts: ArtifactStore,
): Promise<void> {
  const ofStore = removals.get(artifacts) ?? new Map<string, Promise<void>>();
  removals.set(artifacts, ofStore);
  const work = async () => {
    await ofStore.get(sha256)?.catch(() => {}); // its caller reports it
    if (!(await store.uses(sha256))) await artifacts.remove(sha256);
  };
  const removal = work().finally(() => {
    if (ofStore.get(sha256) === removal) ofStore.delete(sha256);
  });
  ofStore.set(sha256, removal);
  await removal;
}

/** Settles when no removal of a file is at work any more. */
export async function removalOf(sha256: string, artifacts: ArtifactStore): Promise<void> {
  await removals
    .get(artifacts)
    ?.get(sha256)
    ?.catch(() => {});
}
