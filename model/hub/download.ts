import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { requireRoom, writeFully } from '../../foundation/disk';
import { failed, isNoSpace } from '../../foundation/errors';
import { isLeft, MARK, processMark } from '../../foundation/process-identity';
import { type HubSource, refusal } from './repository';
import { hubRequest, PassingError, persistently } from './request';

/** A file of a commit, as the Hub describes it. */
export interface HubFile {
  name: string;
  url: string;
  /** Bytes; undefined where the Hub does not tell. */
  size: number | undefined;
  /** Hex hash of the content: a SHA-256 (64 digits) of a large file, Git's SHA-1 of a small one (40 digits). */
  hash: string;
}

/**
 * Asks for a file's size and hash.
 * @throws HifiError INVALID_INPUT, FAILED, CANCELLED; PassingError
 */
export async function describeFile(
  source: HubSource,
  commit: string,
  name: string,
  signal?: AbortSignal,
): Promise<HubFile> {
  const url = `${source.endpoint}/${source.repository}/resolve/${commit}/${encodeURIComponent(name)}`;
  // Unpacked on the way the length would be another.
  const headers = { 'accept-encoding': 'identity' };
  const request = { url, method: 'HEAD', headers, token: source.token, signal } as const;
  const answer = await persistently(() => hubRequest(request, (each) => each), { signal });
  if (answer.status !== 200) throw refusal(source, answer, name);
  const said = (header: string) => answer.hubHeaders.map((each) => each.get(header)).find((value) => value !== null);
  const hash = (said('x-linked-etag') ?? said('etag') ?? '').replace(/^W\//, '').replaceAll('"', '');
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) {
    throw failed(`${source.repository}: ${name}: ${new URL(url).host} tells no hash of it (ETag "${hash}")`);
  }
  const size = said('x-linked-size') ?? answer.headers.get('content-length');
  return { name, url, size: size == null ? undefined : Number(size), hash };
}

/**
 * Downloads a file to `blob`, where it appears whole and checked, or not at all. What a cut leaves in a part beside it is gone
 * on with. Parts are named by content, so that those of two versions never meet, and by process: two that download at once
 * write each its own, and a part is taken over only from a process that is no more.
 * @param onBytes told how many of its bytes are there
 * @throws HifiError FAILED, CANCELLED; PassingError
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
    await persistently(append, { advanced, signal });
    let found = await contentHash(part, file.hash);
    if (found !== file.hash && started > 0) {
      // What lay there was not of this file after all.
      fs.truncateSync(part);
      await persistently(append, { signal });
      found = await contentHash(part, file.hash);
    }
    if (found !== file.hash) {
      fs.rmSync(part);
      throw failed(`${source.repository}: ${file.name}: its hash is ${found}; the Hub says ${file.hash}`);
    }
    fs.renameSync(part, blob);
  } catch (error) {
    if (isNoSpace(error)) fs.rmSync(part, { force: true }); // other programs need the room
    throw error;
  } finally {
    held.delete(part);
  }
}

/** Fetches what a part lacks. */
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
  await hubRequest({ url, headers, token: source.token, signal }, async (answer) => {
    const { status, body } = answer;
    const goesOn = status === 206 && answer.headers.get('content-range')?.startsWith(`bytes ${done}-`);
    if (status === 416 || (status === 206 && !goesOn)) {
      fs.truncateSync(part);
      throw new PassingError(`${new URL(url).host} does not resume at byte ${done}`);
    }
    if (!goesOn && status !== 200) throw refusal(source, answer, name);
    const output = fs.openSync(part, goesOn ? 'a' : 'w');
    try {
      if (!goesOn) done = 0;
      for await (const chunk of body) {
        writeFully(output, chunk, part);
        done += chunk.length;
        onBytes(done);
      }
    } finally {
      fs.closeSync(output);
    }
  });
  if (size !== undefined && done < size) throw new PassingError(`${new URL(url).host} sent ${done} of ${size} bytes`);
}

/** End of a part's name. */
const PART = new RegExp(`\\.(${MARK})-\\d+\\.part$`);

/** Parts that this process is writing. */
const held = new Set<string>();
let claims = 0;

/** A part of this process's own for a blob: one that no process works on any more, else a new one. */
function claimPart(blob: string): string {
  const own = `${blob}.${processMark()}-${claims++}.part`;
  held.add(own);
  const folder = path.dirname(blob);
  for (const name of fs.readdirSync(folder)) {
    const left = path.join(folder, name);
    const mark = name.startsWith(`${path.basename(blob)}.`) ? PART.exec(name)?.[1] : undefined;
    if (mark === undefined || held.has(left) || (mark !== processMark() && !isLeft(left, mark))) continue;
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

/** Hex hash of a file, of the kind that `like` is: SHA-256, or the SHA-1 that Git names a blob by. */
async function contentHash(file: string, like: string): Promise<string> {
  const hash = like.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${sizeOf(file)}\0`);
  for await (const chunk of fs.createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
