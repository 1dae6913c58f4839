import { createHash, type Hash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as fsp from 'node:fs/promises';
import * as path from 'node:path';
import { HifiError, invalidInput } from '../errors';
import { sha256OfFile } from '../model/hash';

/** A file that is kept, by its content. */
export interface StoredFile {
  /** Of its bytes, in hexadecimal. */
  sha256: string;
  sizeBytes: number;
}

/** A file that something has made, by what it is to its job: `delta/delta.json`. */
export interface Artifact extends StoredFile {
  name: string;
}

/** Where an upload stands. */
export interface UploadState {
  /** Bytes that are there. */
  offset: number;
  complete: boolean;
}

const SHA256 = /^[0-9a-f]{64}$/;

/**
 * Files kept by the SHA-256 of their bytes, in one folder that several processes of a machine may share. A file appears whole
 * or not at all, and is never changed.
 */
export class ArtifactStore {
  private readonly files: string;
  private readonly parts: string;

  /** @param folder is made where it is not there */
  constructor(folder: string) {
    this.files = path.join(folder, 'sha256');
    this.parts = path.join(folder, 'parts');
    for (const each of [this.files, this.parts]) fs.mkdirSync(each, { recursive: true, mode: 0o700 });
  }

  has(sha256: string): boolean {
    return fs.existsSync(this.place(sha256));
  }

  /** @throws HifiError INVALID_INPUT for what is no SHA-256, NOT_FOUND where it is not kept */
  path(sha256: string): string {
    const file = this.place(sha256);
    if (fs.existsSync(file)) return file;
    throw new HifiError('NOT_FOUND', `no artifact ${sha256}`);
  }

  /** @throws HifiError as {@link path} */
  size(sha256: string): number {
    return fs.statSync(this.path(sha256)).size;
  }

  /** Keeps a file that is there; it may be removed afterwards. */
  async add(file: string): Promise<StoredFile> {
    const sha256 = await sha256OfFile(file);
    const { size: sizeBytes } = await fsp.stat(file);
    if (this.has(sha256)) return { sha256, sizeBytes };
    const beside = this.newPart();
    try {
      // A link where it can be one: a checkpoint is not copied. Nobody changes the file: it is written whole, then renamed.
      await fsp.link(file, beside).catch(() => fsp.copyFile(file, beside));
      await fsp.rename(beside, this.place(sha256));
    } finally {
      await fsp.rm(beside, { force: true });
    }
    return { sha256, sizeBytes };
  }

  async addText(text: string): Promise<StoredFile> {
    const beside = this.newPart();
    try {
      await fsp.writeFile(beside, text);
      return await this.add(beside);
    } finally {
      await fsp.rm(beside, { force: true });
    }
  }

  /** @throws HifiError INVALID_INPUT for what is no SHA-256 */
  upload(sha256: string): UploadState {
    if (this.has(sha256)) return { offset: this.size(sha256), complete: true };
    const stat = fs.statSync(this.part(sha256), { throwIfNoEntry: false });
    return { offset: stat?.size ?? 0, complete: false };
  }

  /**
   * Takes a file's bytes in, from `offset` on. What came is kept where the sender is cut off, so that another call goes on there.
   *
   * @param sizeBytes of the whole file
   * @throws HifiError INVALID_INPUT where the bytes are more, fewer or others than was said (then they are dropped), where `offset`
   *   is not where the upload stands, or where another one of the same file is at work
   */
  async receive(
    { sha256, sizeBytes, offset }: StoredFile & { offset: number },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<StoredFile> {
    const state = this.upload(sha256);
    if (state.complete) return { sha256, sizeBytes: state.offset };
    if (offset !== state.offset && offset !== 0) {
      throw invalidInput(`offset is ${offset}; the upload stands at ${state.offset}, so it must be that or 0`);
    }
    const part = this.part(sha256);
    const release = this.lock(sha256);
    try {
      const { hash, size } = await appended(part, offset, sizeBytes, chunks);
      if (size < sizeBytes) throw invalidInput(`the upload has ${size} bytes; it must be ${sizeBytes}`);
      const found = hash.digest('hex');
      if (found !== sha256) {
        await fsp.rm(part, { force: true });
        throw invalidInput(`the upload's SHA-256 is ${found}; it must be ${sha256}`);
      }
      await fsp.rename(part, this.place(sha256));
      return { sha256, sizeBytes };
    } finally {
      release();
    }
  }

  /** A file's bytes from `offset` on, in pieces. @throws HifiError as {@link path}; INVALID_INPUT for an offset past its end */
  async *read(sha256: string, offset: number, chunkBytes: number): AsyncGenerator<Buffer> {
    const size = this.size(sha256);
    if (offset > size) throw invalidInput(`offset is ${offset}; the artifact has ${size} bytes`);
    const stream = fs.createReadStream(this.path(sha256), { start: offset, highWaterMark: chunkBytes });
    for await (const chunk of stream) yield chunk as Buffer;
  }

  /** All that is kept, with the time that it came, in milliseconds since the epoch. */
  *list(): Generator<{ sha256: string; time: number }> {
    for (const sha256 of fs.readdirSync(this.files)) {
      const stat = fs.statSync(path.join(this.files, sha256), { throwIfNoEntry: false });
      if (stat) yield { sha256, time: stat.ctimeMs };
    }
  }

  /** Drops uploads that nobody has gone on with since a time, in milliseconds since the epoch. */
  dropParts(before: number): void {
    for (const name of fs.readdirSync(this.parts)) {
      const part = path.join(this.parts, name);
      const stat = fs.statSync(part, { throwIfNoEntry: false });
      if (stat && stat.mtimeMs < before) fs.rmSync(part, { force: true });
    }
  }

  remove(sha256: string): void {
    fs.rmSync(this.place(sha256), { force: true });
  }

  private place(sha256: string): string {
    if (SHA256.test(sha256)) return path.join(this.files, sha256);
    throw invalidInput(`${JSON.stringify(sha256.slice(0, 80))} is no SHA-256: 64 hexadecimal digits in lower case`);
  }

  private part(sha256: string): string {
    return path.join(this.parts, path.basename(this.place(sha256)));
  }

  private newPart(): string {
    return path.join(this.parts, randomUUID());
  }

  private readonly receiving = new Set<string>();

  private lock(sha256: string): () => void {
    if (this.receiving.has(sha256)) throw invalidInput(`another upload of ${sha256} is at work: wait for it`);
    this.receiving.add(sha256);
    return () => this.receiving.delete(sha256);
  }
}

/** Writes pieces to a part's end. @returns the hash of all its bytes, and how many they are */
async function appended(part: string, offset: number, most: number, chunks: AsyncIterable<Uint8Array>) {
  const hash: Hash = createHash('sha256');
  const handle = await fsp.open(part, offset === 0 ? 'w' : 'r+');
  let size = offset;
  try {
    if (offset > 0)
      for await (const chunk of fs.createReadStream(part, { end: offset - 1 })) hash.update(chunk as Buffer);
    for await (const chunk of chunks) {
      if (size + chunk.length > most) throw invalidInput(`the upload has more than the ${most} bytes that were said`);
      hash.update(chunk);
      await handle.write(chunk, 0, chunk.length, size);
      size += chunk.length;
    }
  } finally {
    await handle.close();
  }
  return { hash, size };
}
