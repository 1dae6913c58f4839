import { HifiError, invalidValue, within } from '../foundation/errors';
import type { ArtifactStore } from '../infra/artifacts/store';
import type { Implementation } from '../infra/grpc/handlers';
import { CHUNK_BYTES } from '../infra/grpc/limits';
import { artifactMessage } from '../proto/artifact';
import type { ArtifactService, UploadArtifactRequest, UploadHeader } from '../proto/gen/hifi/v1/artifact_pb';
import { RpcError, status } from '../proto/status';
import { pageOf } from './pages';
import type { JobStore } from './store';

/** Largest accepted file, in bytes. */
const MOST_BYTES = 8 * 2 ** 30;
/**
 * Longest silence of a sender, in milliseconds. Other senders of the same file wait for its upload.
 */
const SILENT_MS = 60_000;

/** Returns true for a text that can be an artifact's name. */
const isName = (text: string) => text.length <= 1024;

/**
 * Service for uploads to and downloads from the artifact store.
 *
 * @param silentMs longest silence of a sender, in milliseconds
 */
export function artifactService(
  store: ArtifactStore,
  jobs: JobStore,
  silentMs = SILENT_MS,
): Implementation<typeof ArtifactService> {
  return {
    async uploadArtifact(requests) {
      const parts = requests[Symbol.asyncIterator]();
      const { sha256, sizeBytes, offset = 0n } = headerOf(await parts.next());
      if (sizeBytes > MOST_BYTES) {
        throw new RpcError(
          status.RESOURCE_EXHAUSTED,
          'ARTIFACT_TOO_LARGE',
          `the file has ${sizeBytes} bytes; it must have at most ${MOST_BYTES}`,
        );
      }
      const file = { sha256, sizeBytes: Number(sizeBytes), offset: Number(offset) };
      try {
        const stored = await within('header', () => store.receive(file, chunksOf(parts, silentMs)));
        return { sha256, sizeBytes: BigInt(stored.sizeBytes) };
      } catch (thrown) {
        // Chunks are beside the header, not in it.
        if (thrown instanceof HifiError && thrown.field === 'header.chunk') thrown.field = 'chunk';
        throw thrown;
      }
    },

    async getUpload({ sha256 }) {
      const { offset, complete } = await within('sha256', () => store.upload(sha256));
      return { offset: BigInt(offset), complete };
    },

    async *downloadArtifact({ sha256, offset = 0n }) {
      const size = await within('sha256', () => store.size(sha256));
      const sizeBytes = BigInt(size);
      if (offset > sizeBytes)
        throw invalidValue({ field: 'offset', value: String(offset), expected: `0 to ${size}, the artifact's bytes` });
      if (offset === sizeBytes) yield { chunk: new Uint8Array(), sizeBytes };
      for await (const chunk of store.read(sha256, Number(offset), CHUNK_BYTES)) yield { chunk, sizeBytes };
    },

    async listArtifacts({ jobId, pageSize, pageToken }) {
      const { artifacts } = await jobs.get(jobId);
      const after = (key = '') => artifacts.filter(({ name }) => name > key);
      const { page, nextPageToken } = await pageOf(after, ({ name }) => name, isName, { pageSize, pageToken }, 100);
      return {
        artifacts: page.map(artifactMessage),
        nextPageToken,
      };
    },
  };
}

function headerOf({ value, done }: IteratorResult<UploadArtifactRequest>): UploadHeader {
  if (!done && value.part.case === 'header') return value.part.value;
  throw invalidValue({ field: 'header', value: 'missing', expected: 'the first message of an upload' });
}

async function* chunksOf(parts: AsyncIterator<UploadArtifactRequest>, silentMs: number): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { value, done } = await unlessSilent(parts.next(), silentMs);
    if (done) return;
    if (value.part.case !== 'chunk') {
      throw invalidValue({ field: 'chunk', value: 'missing', expected: 'in each message after the header' });
    }
    const { length } = value.part.value;
    if (length > CHUNK_BYTES) {
      const expected = `at most ${CHUNK_BYTES} bytes`;
      throw invalidValue({ field: 'chunk', value: `${length} bytes`, expected });
    }
    yield value.part.value;
  }
}

/** Returns the next message. @throws RpcError DEADLINE_EXCEEDED after a silence of `silentMs` */
async function unlessSilent<T>(next: Promise<T>, silentMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silent = new Promise<never>((_, reject) => {
    const message = `the upload has sent nothing for ${silentMs / 1000} s; resume at the offset that GetUpload returns`;
    timer = setTimeout(() => reject(new RpcError(status.DEADLINE_EXCEEDED, 'UPLOAD_SILENT', message)), silentMs);
  });
  try {
    return await Promise.race([next, silent]);
  } finally {
    clearTimeout(timer);
  }
}
