import { readDelta } from '../../delta/delta';
import { within } from '../../foundation/errors';
import type { Inputs } from '../../infra/artifacts/inputs';
import type { ArtifactStore } from '../../infra/artifacts/store';
import { FileHolds } from '../file-holds';
import type { JobStore } from '../store';
import { type DeltaContent, type NamedDelta, type StoredVersion, withVersion } from './named-delta';

/** Dependencies of a registration. */
export interface RegisterParts {
  store: Pick<JobStore, 'deltas' | 'hold'>;
  artifacts: ArtifactStore;
  inputs: Inputs;
}

/** Content of a delta except what its own files say. */
export type GivenContent = Omit<DeltaContent, 'base'>;

/**
 * Registers stored files as the next version of a name, after a check of both. Repeating it gives
 * the same version, see `withVersion`.
 *
 * @throws HifiError NOT_FOUND for a missing or damaged file; INVALID_INPUT for files that are no
 *   delta; DISK_FULL
 */
export async function registerDelta(
  { store, artifacts, inputs }: RegisterParts,
  name: string,
  content: GivenContent,
  signal: AbortSignal,
): Promise<{ delta: NamedDelta; version: StoredVersion }> {
  const holds = new FileHolds(store, artifacts);
  try {
    for (const part of ['info', 'tensors'] as const) {
      await within(`files.${part}`, () => holds.hold(content.files[part]));
    }
    const opened = await inputs.delta(content.files, signal);
    const { base } = await within('files', async () => readDelta(opened.what).info).finally(opened.release);
    const { name: baseName, sha256 } = base;
    let version: StoredVersion | undefined;
    const delta = await store.deltas.change(name, (before) => {
      const changed = withVersion(before, name, { ...content, base: { name: baseName, sha256 } }, Date.now());
      version = changed.version;
      return changed.after;
    });
    return { delta, version: version as StoredVersion };
  } finally {
    holds.release();
  }
}
