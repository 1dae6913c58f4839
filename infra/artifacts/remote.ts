import { failed, HifiError } from '../../foundation/errors';
import { unlessAborted } from '../../foundation/unless-aborted';
import { ArtifactService } from '../../proto/gen/hifi/v1/artifact_pb';
import type { GrpcClient } from '../grpc/client';
import type { ArtifactStore } from './store';
import { uploadFile, waitForOther } from './transfer';

const { downloadArtifact, getUpload } = ArtifactService.method;

/** The gateway's artifacts, with a local store as their cache. */
export class RemoteArtifacts {
  /** Running downloads by SHA-256. */
  private readonly downloads = new Map<string, Promise<void>>();

  constructor(
    private readonly store: ArtifactStore,
    private readonly gateway: GrpcClient,
  ) {}

  /**
   * Downloads an artifact into the store; resumes an interrupted download.
   *
   * @throws RpcError the gateway's error, such as NOT_FOUND; HifiError CANCELLED
   */
  async fetch(sha256: string, signal: AbortSignal): Promise<void> {
    while (!(await this.store.isWhole(sha256))) {
      const other = this.downloads.get(sha256);
      // The other download may be cancelled with its call; then this call starts its own.
      if (other)
        await unlessAborted(
          other.catch(() => {}),
          signal,
        );
      // Another service of this process may be fetching the file into the same store.
      else await this.begin(sha256, signal).catch((error) => waitForOther(error, signal));
    }
  }

  /** Returns true if the gateway has an undamaged artifact. @throws RpcError from the gateway */
  async has(sha256: string, signal: AbortSignal): Promise<boolean> {
    return (await this.gateway.unary(getUpload, { sha256 }, { signal })).complete === true;
  }

  /**
   * Uploads an artifact of the store to the gateway, unless it has it. @throws RpcError the
   * gateway's error
   */
  async publish(sha256: string, signal: AbortSignal): Promise<void> {
    const stored = { sha256, sizeBytes: await this.store.size(sha256) };
    await uploadFile(this.gateway, await this.store.path(sha256), stored, signal);
  }

  private async begin(sha256: string, signal: AbortSignal): Promise<void> {
    const download = this.download(sha256, signal);
    this.downloads.set(sha256, download);
    try {
      await download;
    } finally {
      this.downloads.delete(sha256);
    }
  }

  private async download(sha256: string, signal: AbortSignal): Promise<void> {
    const { offset } = await this.store.upload(sha256);
    try {
      await this.downloadFrom(sha256, offset, signal);
    } catch (error) {
      // The bytes of an earlier download were not of this file; the store has dropped them.
      const damaged = error instanceof HifiError && error.code === 'INVALID_INPUT' && offset > 0;
      if (!damaged) throw error;
      await this.downloadFrom(sha256, 0, signal);
    }
  }

  private async downloadFrom(sha256: string, offset: number, signal: AbortSignal): Promise<void> {
    const messages = this.gateway.stream(downloadArtifact, { sha256, offset: BigInt(offset) }, { signal });
    try {
      const first = await messages.next();
      if (first.done) throw failed(`the gateway sent nothing of artifact ${sha256}`);
      const { chunk, sizeBytes } = first.value;
      const chunks = async function* () {
        yield chunk;
        for await (const message of messages) yield message.chunk;
      };
      await this.store.receive({ sha256, sizeBytes: Number(sizeBytes), offset }, chunks());
    } finally {
      await messages.return(undefined);
    }
  }
}
