import type { ExportFormat } from '../delta/export-request';
import type { Artifact, StoredFile } from '../foundation/stored-file';
import type { ArtifactStore } from '../infra/artifacts/store';
import { type ResultFiles, type ResultName, readResult, resultText } from '../job/files';
import type { JobPlace } from '../job/job';
import { RpcError, status } from '../proto/status';
import type { FileHolds } from './file-holds';
import type { JobRecord } from './record';

/**
 * Results of a job on a server: files of the artifact store, named in the job's record. The
 * record's results belong to the same spec, so they are reused. A new result waits here until the
 * job's event names it.
 */
export class RecordPlace implements JobPlace {
  /** Stored results by name. */
  private readonly files = new Map<string, Artifact>();
  /** Results that no event has reported yet. */
  private unreported: Artifact[] = [];

  private constructor(
    private readonly store: ArtifactStore,
    /** Holds of this attempt: a result's file must exist until the record names it. */
    private readonly holds: FileHolds,
  ) {}

  /**
   * Opens the results of a record: those whose files are all stored and undamaged. A training has a
   * delta beside its metrics.
   */
  static async open(
    { artifacts }: Pick<JobRecord, 'artifacts'>,
    store: ArtifactStore,
    holds: FileHolds,
  ): Promise<RecordPlace> {
    const place = new RecordPlace(store, holds);
    const lost = new Set<string>();
    for (const { name, sha256 } of artifacts) if (!(await store.isWhole(sha256))) lost.add(resultOf(name));
    if (lost.has('delta')) lost.add('metrics.json');
    for (const artifact of artifacts) if (!lost.has(resultOf(artifact.name))) place.files.set(artifact.name, artifact);
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
    await this.writeText(name, resultText(content));
  }

  /** Stores a text as a result. */
  async writeText(name: string, text: string): Promise<void> {
    await this.put({ name, ...(await this.holds.addText(text)) });
  }

  /**
   * Adds a file of the store to the results, and holds it.
   *
   * @throws RpcError ABORTED if it is missing: it was deleted in the meantime, and another attempt
   *   creates it again
   */
  async put(artifact: { name: string } & StoredFile): Promise<void> {
    if (!(await this.holds.hold(artifact.sha256))) {
      throw new RpcError(status.ABORTED, 'ARTIFACT_GONE', `${artifact.name} was deleted before the job had it`);
    }
    this.files.set(artifact.name, artifact);
    this.unreported.push(artifact);
  }

  /** Returns the unreported files of a result or folder of results, and marks them as reported. */
  take(result: string): Artifact[] {
    const taken = this.unreported.filter(({ name }) => isOf(name, result));
    this.unreported = this.unreported.filter(({ name }) => !isOf(name, result));
    return taken;
  }

  pathOf({ sha256 }: StoredFile): Promise<string> {
    return this.store.path(sha256);
  }

  /** Returns a file of the job, from this attempt or an earlier one. */
  find(name: string): Artifact | undefined {
    return this.files.get(name);
  }
}

/** File or folder of results to which a file belongs. */
const resultOf = (name: string) => name.split('/')[0];

const isOf = (name: string, result: string) => name === result || name.startsWith(`${result}/`);
