import type { StoredFile } from '../foundation/stored-file';
import type { ArtifactStore } from '../infra/artifacts/store';
import { removalOf } from './removal';
import type { JobStore } from './store';

/**
 * Files that a call or an attempt relies on before a job's record names them. No deletion and no
 * sweep removes them until they are released.
 */
export class FileHolds {
  private readonly held = new Map<string, () => void>();

  constructor(
    private readonly store: Pick<JobStore, 'hold'>,
    private readonly artifacts: ArtifactStore,
  ) {}

  /** Holds a file. @returns true if it exists */
  async hold(sha256: string): Promise<boolean> {
    if (!this.held.has(sha256)) this.held.set(sha256, this.store.hold(sha256));
    // A removal that began before the hold still takes the file away.
    await removalOf(sha256, this.artifacts);
    return this.artifacts.has(sha256);
  }

  /** Stores a text as an artifact and holds it. */
  async addText(text: string): Promise<StoredFile> {
    for (;;) {
      const file = await this.artifacts.addText(text);
      // The file may have existed before, and may have been removed before it was held.
      if (await this.hold(file.sha256)) return file;
    }
  }

  release(): void {
    for (const release of this.held.values()) release();
    this.held.clear();
  }
}
