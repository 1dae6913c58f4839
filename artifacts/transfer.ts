import * as fs from 'node:fs';
import { cancelled } from '../errors';
import type { GrpcClient } from '../infra/grpc/client';
import { CHUNK_BYTES } from '../infra/grpc/limits';
import { ArtifactService } from '../proto/gen/hifi/v1/artifact_pb';
import type { StoredFile } from './store';

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
  const { offset = 0n, complete } = await gateway.unary(getUpload, { sha256 }, { signal });
  if (complete) return;
  const from = Number(offset);
  await gateway.upload(uploadArtifact, partsOf(), { signal });

  async function* partsOf() {
    yield { part: { case: 'header' as const, value: { sha256, sizeBytes: BigInt(sizeBytes), offset } } };
    let done = from;
    for await (const chunk of fs.createReadStream(file, { start: from, highWaterMark: CHUNK_BYTES })) {
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
