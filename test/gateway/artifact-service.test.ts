import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { artifactService } from '../../gateway/artifact-service';
import { LmdbStore } from '../../gateway/lmdb-store';
import { FolderArtifacts } from '../../infra/artifacts/folder-store';
import { downloadBytes, uploadFile } from '../../infra/artifacts/transfer';
import { GrpcClient } from '../../infra/grpc/client';
import { GrpcServer } from '../../infra/grpc/server';
import { ArtifactService } from '../../proto/gen/hifi/v1/artifact_pb';
import { status } from '../../proto/status';
import { temporaryFolder } from '../support/deltas';

const { uploadArtifact, getUpload, downloadArtifact, listArtifacts } = ArtifactService.method;
const folder = temporaryFolder('artifact-service');
const bytes = randomBytes(5_000_001);
const file = path.join(folder, 'given');
const stored = { sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length };

/** Longest silence of a sender in this test, in milliseconds. */
const SILENT_MS = 2000;

let server: GrpcServer;
let client: GrpcClient;
let jobs: LmdbStore;
let store: FolderArtifacts;

beforeAll(async () => {
  fs.writeFileSync(file, bytes);
  jobs = new LmdbStore(path.join(folder, 'jobs'), false);
  store = new FolderArtifacts(path.join(folder, 'artifacts'));
  server = new GrpcServer({ host: '127.0.0.1', port: 0 });
  server.add(ArtifactService, artifactService(store, jobs, SILENT_MS));
  client = new GrpcClient(`127.0.0.1:${await server.start()}`);
});
afterAll(async () => {
  client.close();
  await server.drain(0);
  await jobs.close();
  fs.rmSync(folder, { recursive: true });
});
afterEach(() => store.remove(stored.sha256));

interface Header {
  sha256: string;
  sizeBytes: bigint;
  offset?: bigint;
}
const whole: Header = { sha256: stored.sha256, sizeBytes: BigInt(stored.sizeBytes) };

async function* parts(header: Header | undefined, ...chunks: Uint8Array[]) {
  if (header) yield { part: { case: 'header' as const, value: header } };
  for (const value of chunks) yield { part: { case: 'chunk' as const, value } };
}

const pieces = (of: Buffer) =>
  Array.from({ length: Math.ceil(of.length / 2 ** 20) }, (_, i) => of.subarray(i << 20, (i + 1) << 20));

async function downloaded(from: number): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of downloadBytes(client, stored.sha256, from)) all.push(chunk);
  return Buffer.concat(all);
}

test('an uploaded file is downloaded whole and from any offset', async () => {
  await uploadFile(client, file, stored);
  expect(await client.unary(getUpload, { sha256: stored.sha256 })).toMatchObject({ complete: true });
  for (const from of [0, 1, 2 ** 20, 4_999_999, bytes.length]) {
    expect(Buffer.compare(await downloaded(from), bytes.subarray(from))).toBe(0);
  }
  for await (const { chunk, sizeBytes } of client.stream(downloadArtifact, { sha256: stored.sha256 })) {
    expect(chunk.length).toBeLessThanOrEqual(2 ** 20);
    expect(sizeBytes).toBe(BigInt(bytes.length));
  }
});

test('an interrupted upload resumes at its offset', async () => {
  const offset = async () => (await client.unary(getUpload, { sha256: stored.sha256 })).offset ?? 0n;
  const interrupted = async function* () {
    yield* parts(whole, ...pieces(bytes).slice(0, 2));
    while ((await offset()) === 0n) await new Promise((resolve) => setTimeout(resolve, 5));
    throw new Error('the client is gone');
  };
  await expect(client.upload(uploadArtifact, interrupted())).rejects.toThrow('the client is gone');
  expect(await offset()).toBeGreaterThan(0n);
  // The service refuses an upload while the interrupted one is still ending, so it is tried again.
  for (let tries = 0; !(await store.has(stored.sha256)); tries++) {
    await uploadFile(client, file, stored).catch((error) => {
      if (tries > 100) throw error;
    });
  }
  expect(Buffer.compare(await downloaded(0), bytes)).toBe(0);
});

test('two concurrent uploads of one file both succeed', async () => {
  let meet = () => {};
  const met = new Promise<void>((resolve) => {
    meet = resolve;
  });
  const slow = async function* () {
    yield* parts(whole, pieces(bytes)[0]);
    await met;
    yield* parts(undefined, ...pieces(bytes).slice(1));
  };
  const first = client.upload(uploadArtifact, slow());
  while ((await client.unary(getUpload, { sha256: stored.sha256 })).offset === 0n);
  const refused = await client.upload(uploadArtifact, parts(whole)).catch((error) => error);
  expect(refused).toMatchObject({ code: status.ABORTED, reason: 'UPLOAD_AT_WORK', details: { retrySeconds: 1 } });
  const second = uploadFile(client, file, stored);
  meet();
  await Promise.all([first, second]);
  expect(Buffer.compare(await downloaded(0), bytes)).toBe(0);
});

test('an upload that resumes after wrong bytes starts again', async () => {
  const wrong = async function* () {
    yield* parts(whole, Buffer.alloc(2 ** 20));
    while ((await client.unary(getUpload, { sha256: stored.sha256 })).offset === 0n);
    throw new Error('the client is gone');
  };
  await expect(client.upload(uploadArtifact, wrong())).rejects.toThrow('the client is gone');
  await uploadFile(client, file, stored);
  expect(Buffer.compare(await downloaded(0), bytes)).toBe(0);
});

test('a silent sender is disconnected, so that others need not wait', async () => {
  let leave = () => {};
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const silent = async function* () {
    yield* parts(whole, pieces(bytes)[0]);
    await left;
  };
  const silentUpload = client.upload(uploadArtifact, silent()).catch((error) => error);
  await uploadFile(client, file, stored);
  leave();
  expect(await silentUpload).toMatchObject({ code: status.DEADLINE_EXCEEDED, reason: 'UPLOAD_SILENT' });
});

test.each<[what: string, header: Header | undefined, chunks: Uint8Array[], message: RegExp, field: string]>([
  ['no header', undefined, [bytes.subarray(0, 10)], /header is missing/, 'header'],
  ['a name that is a path', { ...whole, sha256: '../../x' }, [], /no SHA-256/, 'header.sha256'],
  [
    'other bytes',
    { sha256: 'a'.repeat(64), sizeBytes: 3n },
    [Buffer.from('abc')],
    /SHA-256 is ba7816bf/,
    'header.sha256',
  ],
  [
    'fewer bytes',
    { sha256: 'b'.repeat(64), sizeBytes: 10n },
    [Buffer.from('abc')],
    /has 3 bytes; it must be 10/,
    'header.size_bytes',
  ],
  [
    'more bytes',
    { sha256: 'c'.repeat(64), sizeBytes: 2n },
    [Buffer.from('abc')],
    /more than the 2 bytes/,
    'header.size_bytes',
  ],
  [
    'a large piece',
    { sha256: 'd'.repeat(64), sizeBytes: 2n ** 21n },
    [Buffer.alloc(2 ** 20 + 1)],
    /chunk is 1048577 bytes; it must be at most 1048576 bytes/,
    'chunk',
  ],
  [
    'an offset that is not reached',
    { sha256: 'e'.repeat(64), sizeBytes: 9n, offset: 5n },
    [],
    /the upload has 0 bytes/,
    'header.offset',
  ],
])('%s: refused', async (_, header, chunks, message, field) => {
  const error = await client.upload(uploadArtifact, parts(header, ...chunks)).catch((thrown) => thrown);
  expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, message: expect.stringMatching(message) });
  expect(error.details.violations).toMatchObject([{ field }]);
  if (header && /^[a-f]+$/.test(header.sha256)) expect(await store.has(header.sha256)).toBe(false);
});

test('a missing or too large file has its own status', async () => {
  const none = { sha256: 'f'.repeat(64) };
  await expect(client.stream(downloadArtifact, none).next()).rejects.toMatchObject({ code: status.NOT_FOUND });
  await expect(client.unary(listArtifacts, { jobId: 'none' })).rejects.toMatchObject({ code: status.NOT_FOUND });
  const huge = { sha256: none.sha256, sizeBytes: 2n ** 40n };
  await expect(client.upload(uploadArtifact, parts(huge))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  await uploadFile(client, file, stored);
  const far = { sha256: stored.sha256, offset: whole.sizeBytes + 1n };
  await expect(client.stream(downloadArtifact, far).next()).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
});
