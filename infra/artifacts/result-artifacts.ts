import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Artifact } from '../../foundation/stored-file';
import type { RemoteArtifacts } from './remote';
import type { ArtifactStore } from './store';

/** Stores a service's results as artifacts. */
export class ResultArtifacts {
  /**
   * Creates the storage of results.
   *
   * @param gateway the gateway if it has a store of its own: it registers files and returns them
   */
  constructor(
    private readonly store: ArtifactStore,
    private readonly gateway?: RemoteArtifacts,
  ) {}

  /**
   * Stores all files of a folder, which may be removed afterwards.
   *
   * @returns the artifacts named `<prefix>/<path in the folder>`, sorted
   */
  async add(folder: string, prefix: string, signal: AbortSignal): Promise<Artifact[]> {
    const added: Artifact[] = [];
    for (const file of filesOf(folder)) {
      const stored = await this.store.add(path.join(folder, file), signal);
      await this.gateway?.publish(stored.sha256, signal);
      added.push({ name: `${prefix}/${file}`, ...stored });
    }
    return added;
  }

  /**
   * Checks that stored files still exist, here or at the gateway.
   *
   * @returns true if all of them do
   */
  async keep(artifacts: readonly Artifact[], signal: AbortSignal): Promise<boolean> {
    for (const { sha256 } of artifacts) {
      if (await this.store.isWhole(sha256)) await this.gateway?.publish(sha256, signal);
      else if (!(await this.gateway?.has(sha256, signal))) return false;
    }
    return true;
  }
}

/** Lists the files below a folder by their paths in it, sorted. */
function filesOf(folder: string): string[] {
  return fs
    .readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}
