import * as fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { cancelled } from '../../foundation/errors';
import type { StoredFile } from '../../foundation/stored-file';
import { ArtifactService } from '../../proto/gen/hifi/v1/artifact_pb';
import { RpcError, status } from '../../proto/status';
import type { GrpcClient } from '../grpc/client';
import { CHUNK_BYTES } from '../grpc/limits';

/** Bytes sent and in all. */
export type OnSent = (done: number, total: number) => void;

/**
 * Sends a file to a gateway, from where an earlier upload of it was cut; nothing where the gateway has it.
 *
 * @param stored what the file is
 * @throws RpcError what the gateway answers
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
 * The bytes of a gateway's file, from `offset` on.
 *
 * @throws RpcError what the gateway answers, NOT_FOUND where it has no such file
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
 * Waits for the time in an error that reports another transfer of the same file.
 *
 * @throws any other error; HifiError CANCELLED
 */
export async function waitForOther(error: unknown, signal?: AbortSignal): Promise<void> {
  if (!(error instanceof RpcError && error.code === status.ABORTED)) throw error;
  await delay((error.details.retrySeconds ?? 1) * 1000, undefined, { signal }).catch(() => {
    throw cancelled();
  });
}
