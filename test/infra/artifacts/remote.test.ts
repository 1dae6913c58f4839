import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { FolderArtifacts } from '../../../infra/artifacts/folder-store';
import { RemoteArtifacts } from '../../../infra/artifacts/remote';
import { GrpcClient } from '../../../infra/grpc/client';
import type { Implementation } from '../../../infra/grpc/handlers';
import { CHUNK_BYTES } from '../../../infra/grpc/limits';
import { GrpcServer } from '../../../infra/grpc/server';
import { ArtifactService } from '../../../proto/gen/hifi/v1/artifact_pb';
import { status } from '../../../proto/status';

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('artifacts of the gateway', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-remote-'));
  const there = new FolderArtifacts(path.join(folder, 'gateway'));
  const here = new FolderArtifacts(path.join(folder, 'service'));
  const signal = new AbortController().signal;
  const offsets: number[] = [];
  let server: GrpcServer;
  let client: GrpcClient;
  let remote: RemoteArtifacts;

  /** The gateway's side of the contract. */
  const service: Implementation<typeof ArtifactService> = {
    async uploadArtifact(requests) {
      const parts = requests[Symbol.asyncIterator]();
      const header = (await parts.next()).value!.part.value as { sha256: string; sizeBytes: bigint; offset?: bigint };
      const { sha256, sizeBytes, offset = 0n } = header;
      offsets.push(Number(offset));
      const chunks = async function* () {
        for (;;) {
          const { done, value } = await parts.next();
          if (done) return;
          yield value.part.value as Uint8Array;
        }
      };
      await there.receive({ sha256, sizeBytes: Number(sizeBytes), offset: Number(offset) }, chunks());
      return { sha256, sizeBytes };
    },
    async getUpload({ sha256 }) {
      const { offset, complete } = await there.upload(sha256);
      return { offset: BigInt(offset), complete };
    },
    async *downloadArtifact({ sha256, offset = 0n }) {
      offsets.push(Number(offset));
      const sizeBytes = BigInt(await there.size(sha256));
      for await (const chunk of there.read(sha256, Number(offset), CHUNK_BYTES)) yield { chunk, sizeBytes };
    },
    async listArtifacts() {
      return {};
    },
  };

  beforeAll(async () => {
    server = new GrpcServer({ host: '127.0.0.1', port: 0 });
    server.add(ArtifactService, service);
    client = new GrpcClient(`127.0.0.1:${await server.start()}`);
    remote = new RemoteArtifacts(here, client);
  });
  beforeEach(() => {
    offsets.length = 0;
  });
  afterAll(async () => {
    client.close();
    await server.drain(0);
    fs.rmSync(folder, { recursive: true });
  });

  /** Random bytes: three full chunks and a partial one. */
  const bytes = () => randomBytes(3 * CHUNK_BYTES + 12_345);
  const addTo = async (store: FolderArtifacts, content: Buffer) => {
    const file = path.join(folder, 'file');
    fs.writeFileSync(file, content);
    const { sha256 } = await store.add(file);
    fs.rmSync(file);
    return sha256;
  };
  const begin = async (store: FolderArtifacts, content: Buffer, sha256: string) => {
    const some = async function* () {
      yield content.subarray(0, CHUNK_BYTES);
      throw new Error('interrupted');
    };
    await store.receive({ sha256, sizeBytes: content.length, offset: 0 }, some()).catch(() => {});
  };

  it('arrive whole, once for many calls', async () => {
    const content = bytes();
    const sha256 = await addTo(there, content);
    await Promise.all(Array.from({ length: 5 }, () => remote.fetch(sha256, signal)));
    expect(fs.readFileSync(await here.path(sha256)).equals(content)).toBe(true);
    expect(offsets).toEqual([0]);
    await remote.fetch(sha256, signal);
    expect(offsets).toEqual([0]);
  });

  it('resume an interrupted download', async () => {
    const content = bytes();
    const sha256 = await addTo(there, content);
    await begin(here, content, sha256);
    await remote.fetch(sha256, signal);
    expect(offsets).toEqual([CHUNK_BYTES]);
    expect(hashOf(fs.readFileSync(await here.path(sha256)))).toBe(sha256);
  });

  it('are downloaded again if the stored part is of another file', async () => {
    const content = bytes();
    const sha256 = await addTo(there, content);
    await begin(here, bytes(), sha256);
    await remote.fetch(sha256, signal);
    expect(offsets).toEqual([CHUNK_BYTES, 0]);
    expect(hashOf(fs.readFileSync(await here.path(sha256)))).toBe(sha256);
  });

  it('are published once, and resume an interrupted upload', async () => {
    const content = bytes();
    const sha256 = await addTo(here, content);
    await begin(there, content, sha256);
    await remote.publish(sha256, signal);
    await remote.publish(sha256, signal);
    expect(offsets).toEqual([CHUNK_BYTES]);
    expect(fs.readFileSync(await there.path(sha256)).equals(content)).toBe(true);
  });

  it('that do not exist are NOT_FOUND, and a cancelled call does not cancel the others', async () => {
    await expect(remote.fetch('ab'.repeat(32), signal)).rejects.toMatchObject({ code: status.NOT_FOUND });
    const sha256 = await addTo(there, bytes());
    const leaving = new AbortController();
    const first = remote.fetch(sha256, leaving.signal);
    const second = remote.fetch(sha256, signal);
    leaving.abort();
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
    await second;
    expect(await here.has(sha256)).toBe(true);
  });
});
