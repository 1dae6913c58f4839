import type { ExportFormat } from '../delta/export-request';
import type { Artifact, StoredFile } from '../foundation/stored-file';
import type { ArtifactStore } from '../infra/artifacts/store';
import { type ResultFiles, type ResultName, readResult, resultText } from '../job/files';
import type { JobPlace } from '../job/job';
import { RpcError, status } from '../proto/status';
import type { FileHolds } from './file-holds';
import type { JobRecord } from './record';

/**
 * A server's place for a job's results: files in the artifact store, named in the job's record. What the record names was made of
 * the same spec, so it is kept; what was made since waits here until the job's event tells of it.
 */
export class RecordPlace implements JobPlace {
  /** What is there, by name. */
  private readonly files = new Map<string, Artifact>();
  /** Of it, what no event has told of. */
  private untold: Artifact[] = [];

  private constructor(
    private readonly store: ArtifactStore,
    /** Holds of this attempt: a result's file must last until the record names it. */
    private readonly holds: FileHolds,
  ) {}

  /** Place of those files of a record that are stored and undamaged. */
  static async open(
    { artifacts }: Pick<JobRecord, 'artifacts'>,
    store: ArtifactStore,
    holds: FileHolds,
  ): Promise<RecordPlace> {
    const place = new RecordPlace(store, holds);
    for (const artifact of artifacts)
      if (await store.isWhole(artifact.sha256)) place.files.set(artifact.name, artifact);
    return place;
  }

  async stored<N extends ResultName>(name: N): Promise<ResultFiles[N] | undefined> {
    const found = this.find(name);
    return found && readResult(name, await this.pathOf(found));
  }

  async storedExport(format: ExportFormat): Promise<boolean> {
    return [...this.files.keys()].some((name) => isOf(name, format));
  }

  async invalidate(): Promise<void> {}

  async exported(): Promise<void> {}

  async write<N extends ResultName>(name: N, content: ResultFiles[N]): Promise<void> {
    this.put({ name, ...(await this.holds.addText(resultText(content))) });
  }

  /**
   * Holds a file that is in the store.
   *
   * @throws RpcError ABORTED if it is missing: it was deleted in the meantime, and another attempt
   *   creates it again
   */
  put(artifact: { name: string } & StoredFile): void {
    if (!this.holds.hold(artifact.sha256)) {
      throw new RpcError(status.ABORTED, 'ARTIFACT_GONE', `${artifact.name} was deleted before the job had it`);
    }
    this.files.set(artifact.name, artifact);
    this.untold.push(artifact);
  }

  /** Files of a result, or of a folder of results, that no event has told of; from now on one has. */
  take(result: string): Artifact[] {
    const taken = this.untold.filter(({ name }) => isOf(name, result));
    this.untold = this.untold.filter(({ name }) => !isOf(name, result));
    return taken;
  }

  pathOf({ sha256 }: StoredFile): Promise<string> {
    return this.store.path(sha256);
  }

  /** A file of the job, made now or before. */
  find(name: string): Artifact | undefined {
    return this.files.get(name);
  }
}

const isOf = (name: string, result: string) => name === result || name.startsWith(`${result}/`);
