import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { requireRoom, writeFully } from '../../foundation/disk';
import { failed, isNoSpace } from '../../foundation/errors';
import { isLeft, MARK, processMark } from '../../foundation/process-identity';
import { type HubSource, refusal } from './repository';
import { hubRequest, TemporaryError, withRetries } from './request';

/** File of a commit, as the Hub describes it. */
export interface HubFile {
  name: string;
  url: string;
  /** Size in bytes; undefined if the Hub does not send it. */
  size: number | undefined;
  /**
   * Hash of the content in hexadecimal: SHA-256 (64 digits) of a large file, Git's SHA-1 (40
   * digits) of a small one.
   */
  hash: string;
}

/**
 * Requests a file's size and hash.
 * @throws HifiError INVALID_INPUT, FAILED, CANCELLED; TemporaryError
 */
export async function describeFile(
  source: HubSource,
  commit: string,
  name: string,
  signal?: AbortSignal,
): Promise<HubFile> {
  const url = `${source.endpoint}/${source.repository}/resolve/${commit}/${encodeURIComponent(name)}`;
  // With a content encoding the length would differ.
  const headers = { 'accept-encoding': 'identity' };
  const request = { url, method: 'HEAD', headers, token: source.token, signal } as const;
  const response = await withRetries(() => hubRequest(request, (each) => each), { signal });
  if (response.status !== 200) throw refusal(source, response, name);
  const sent = (header: string) => response.hubHeaders.map((each) => each.get(header)).find((value) => value !== null);
  const hash = (sent('x-linked-etag') ?? sent('etag') ?? '').replace(/^W\//, '').replaceAll('"', '');
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) {
    throw failed(`${source.repository}: ${name}: ${new URL(url).host} sends no hash of it (ETag "${hash}")`);
  }
  const size = sent('x-linked-size') ?? response.headers.get('content-length');
  return { name, url, size: size == null ? undefined : Number(size), hash };
}

/**
 * Downloads a file to `blob`, where it appears whole and checked, or not at all. An interrupted
 * download resumes from a part beside it. A part's name contains the content's hash, so that parts
 * of two versions never meet. It also contains the process's id: simultaneous downloads write
 * separate parts, and a process takes over only a part of a process that has ended.
 * @param onBytes is called with the number of bytes so far
 * @throws HifiError FAILED, CANCELLED; TemporaryError
 */
export async function downloadFile(
  source: HubSource,
  file: HubFile,
  blob: string,
  { onBytes = () => {}, signal }: { onBytes?: (done: number) => void; signal?: AbortSignal } = {},
): Promise<void> {
  if (fs.existsSync(blob)) return;
  fs.mkdirSync(path.dirname(blob), { recursive: true });
  const part = claimPart(blob);
  try {
    const started = sizeOf(part);
    let before = started;
    const advanced = () => {
      const now = sizeOf(part);
      const grew = now > before;
      before = Math.max(before, now);
      return grew;
    };
    const append = () => appendRest(source, file, part, onBytes, signal);
    await withRetries(append, { advanced, signal });
    let found = await contentHash(part, file.hash);
    if (found !== file.hash && started > 0) {
      // The bytes of the part were not this file's.
      fs.truncateSync(part);
      await withRetries(append, { signal });
      found = await contentHash(part, file.hash);
    }
    if (found !== file.hash) {
      fs.rmSync(part);
      throw failed(`${source.repository}: ${file.name}: its hash is ${found}; it must be ${file.hash}`);
    }
    fs.renameSync(part, blob);
  } catch (error) {
    if (isNoSpace(error)) fs.rmSync(part, { force: true }); // other programs need the room
    throw error;
  } finally {
    ownParts.delete(part);
  }
}

/** Downloads the missing bytes of a part. */
async function appendRest(
  source: HubSource,
  { name, url, size }: HubFile,
  part: string,
  onBytes: (done: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (size !== undefined && sizeOf(part) > size) fs.truncateSync(part);
  let done = sizeOf(part);
  if (done === size) return onBytes(done);
  if (size !== undefined) requireRoom(part, size - done);
  const range: Record<string, string> = done > 0 ? { range: `bytes=${done}-` } : {};
  const headers = { 'accept-encoding': 'identity', ...range };
  await hubRequest({ url, headers, token: source.token, signal }, async (response) => {
    const { status, body } = response;
    const resumes = status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${done}-`);
    if (status === 416 || (status === 206 && !resumes)) {
      fs.truncateSync(part);
      throw new TemporaryError(`${new URL(url).host} does not resume at byte ${done}`);
    }
    if (!resumes && status !== 200) throw refusal(source, response, name);
    const output = fs.openSync(part, resumes ? 'a' : 'w');
    try {
      if (!resumes) done = 0;
      for await (const chunk of body) {
        writeFully(output, chunk, part);
        done += chunk.length;
        onBytes(done);
      }
    } finally {
      fs.closeSync(output);
    }
  });
  if (size !== undefined && done < size) throw new TemporaryError(`${new URL(url).host} sent ${done} of ${size} bytes`);
}

/** End of a part's name. */
const PART = new RegExp(`\\.(${MARK})-\\d+\\.part$`);

/** Parts that this process is writing. */
const ownParts = new Set<string>();
let claims = 0;

/** Claims a part for a blob: one of a process that has ended, else a new one. */
function claimPart(blob: string): string {
  const own = `${blob}.${processMark()}-${claims++}.part`;
  ownParts.add(own);
  const folder = path.dirname(blob);
  for (const name of fs.readdirSync(folder)) {
    const left = path.join(folder, name);
    const mark = name.startsWith(`${path.basename(blob)}.`) ? PART.exec(name)?.[1] : undefined;
    if (mark === undefined || ownParts.has(left) || (mark !== processMark() && !isLeft(left, mark))) continue;
    try {
      fs.renameSync(left, own);
      return own;
    } catch {
      // Another process was first.
    }
  }
  fs.closeSync(fs.openSync(own, 'a'));
  return own;
}

const sizeOf = (file: string) => fs.statSync(file).size;

/**
 * Hash of a file in hexadecimal, of the same kind as `like`: SHA-256, or the SHA-1 of a Git blob.
 */
async function contentHash(file: string, like: string): Promise<string> {
  const hash = like.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${sizeOf(file)}\0`);
  for await (const chunk of fs.createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
