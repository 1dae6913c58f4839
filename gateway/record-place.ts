import type { ArtifactStore, StoredFile } from '../artifacts/store';
import type { ExportFormat } from '../results/export-request';
import { type ResultFiles, type ResultName, readResult, resultText } from './files';
import type { JobPlace } from './job';
import type { JobRecord, NamedArtifact } from './record';

/**
 * A server's place for a job's results: files in the artifact store, named in the job's record. What the record names was made of
 * the same spec, so it is kept; what was made since waits here until the job's event tells of it.
 */
export class RecordPlace implements JobPlace {
  private made: NamedArtifact[] = [];
  private readonly before: readonly NamedArtifact[];

  constructor(
    { artifacts }: Pick<JobRecord, 'artifacts'>,
    private readonly store: ArtifactStore,
  ) {
    this.before = artifacts.filter(({ sha256 }) => store.has(sha256));
  }

  async kept<N extends ResultName>(name: N): Promise<ResultFiles[N] | undefined> {
    const found = this.before.find((artifact) => artifact.name === name);
    return found && readResult(name, this.store.path(found.sha256));
  }

  async keptExport(format: ExportFormat): Promise<boolean> {
    return this.before.some(({ name }) => isOf(name, format));
  }

  async invalidate(): Promise<void> {}

  async exported(): Promise<void> {}

  async write<N extends ResultName>(name: N, content: ResultFiles[N]): Promise<void> {
    this.put({ name, ...(await this.store.addText(resultText(content))) });
  }

  /** A file that is in the store already. */
  put(artifact: { name: string } & StoredFile): void {
    this.made.push(artifact);
  }

  /** Files of a result, or of a folder of results, that no event has told of; from now on one has. */
  take(result: string): NamedArtifact[] {
    const taken = this.made.filter(({ name }) => isOf(name, result));
    this.made = this.made.filter(({ name }) => !isOf(name, result));
    return taken;
  }

  pathOf({ sha256 }: StoredFile): string {
    return this.store.path(sha256);
  }

  /** A file of the job, made now or before. */
  find(name: string): NamedArtifact | undefined {
    return [...this.made, ...this.before].find((artifact) => artifact.name === name);
  }
}

const isOf = (name: string, result: string) => name === result || name.startsWith(`${result}/`);
