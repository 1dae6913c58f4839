import * as fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { cancelled } from '../../foundation/errors';
import type { StoredFile } from '../../foundation/stored-file';
import { ArtifactService } from '../../proto/gen/hifi/v1/artifact_pb';
import { RpcError, status } from '../../proto/status';
import type { GrpcClient } from '../grpc/client';
import { CHUNK_BYTES } from '../grpc/limits';

/** Receives the number of sent bytes and the total. */
export type OnSent = (done: number, total: number) => void;

/**
 * Uploads a file to a gateway, unless it has it. Resumes an interrupted upload.
 *
 * @param stored hash and size of the file
 * @throws RpcError the gateway's error
 */
export async function uploadFile(
  gateway: GrpcClient,
  file: string,
  { sha256, sizeBytes }: StoredFile,
  signal?: AbortSignal,
  sent: OnSent = () => {},
): Promise<void> {
  const { getUpload, uploadArtifact } = ArtifactService.method;
  for (let doubtful = true; ; ) {
    const { offset = 0n, complete } = await gateway.unary(getUpload, { sha256 }, { signal });
    if (complete) return;
    try {
      await gateway.upload(uploadArtifact, partsOf(offset), { signal });
      return;
    } catch (error) {
      // The gateway's bytes did not belong to this file, or the file has changed since the request.
      if (doubtful && offset > 0n && isRefused(error)) doubtful = false;
      else await waitForOther(error, signal);
    }
  }

  async function* partsOf(offset: bigint) {
    yield { part: { case: 'header' as const, value: { sha256, sizeBytes: BigInt(sizeBytes), offset } } };
    let done = Number(offset);
    for await (const chunk of fs.createReadStream(file, { start: done, highWaterMark: CHUNK_BYTES })) {
      if (signal?.aborted) throw cancelled();
      yield { part: { case: 'chunk' as const, value: chunk as Uint8Array } };
      done += (chunk as Uint8Array).length;
      sent(done, sizeBytes);
    }
  }
}

/**
 * Downloads a gateway's file from `offset` on.
 *
 * @throws RpcError the gateway's error, such as NOT_FOUND
 */
export async function* downloadBytes(
  gateway: GrpcClient,
  sha256: string,
  offset: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const request = { sha256, offset: BigInt(offset) };
  for await (const { chunk } of gateway.stream(ArtifactService.method.downloadArtifact, request, { signal }))
    yield chunk;
}

/** Returns true if the bytes, or the offset, were refused. */
const isRefused = (error: unknown) => error instanceof RpcError && error.code === status.INVALID_ARGUMENT;

/**
 * Waits for the retry delay of an error that reports another transfer of the same file.
 *
 * @throws any other error; HifiError CANCELLED
 */
export async function waitForOther(error: unknown, signal?: AbortSignal): Promise<void> {
  if (!(error instanceof RpcError && error.code === status.ABORTED)) throw error;
  await delay((error.details.retrySeconds ?? 1) * 1000, undefined, { signal }).catch(() => {
    throw cancelled();
  });
}
