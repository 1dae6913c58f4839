import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as fsp from 'node:fs/promises';
import * as path from 'node:path';
import { writing } from '../../foundation/disk';
import { HifiError, invalidInput, invalidPart, within } from '../../foundation/errors';
import { sha256IfThere, sha256OfFile } from '../../foundation/hash';
import { isLeft, MARK, processMark } from '../../foundation/process-identity';
import type { StoredFile } from '../../foundation/stored-file';
import { RpcError, status } from '../../proto/status';
import type { ArtifactStore, UploadState } from './store';
import { received, sizeOf, synced } from './upload-part';

const SHA256 = /^[0-9a-f]{64}$/;
/**
 * Name of a part that a process is writing, or was writing when it was killed: `SHA256.MARK-UUID`.
 */
const OWN_PART = new RegExp(`^([0-9a-f]{64})\\.(${MARK})-[0-9a-f-]{36}$`);
/** Retry delay for a sender while another upload of the same file is in progress, in seconds. */
const RETRY_SECONDS = 1;

/**
 * Parts that this process is writing, by the path of the whole file. Several stores of a process
 * may share a folder.
 */
const receiving = new Map<string, string>();

/**
 * Artifacts in one folder that several processes of a machine may share. Before a process first
 * uses a file that another process wrote, it compares the file's hash with its name. It removes a
 * damaged file, so that the same content can be stored again.
 */
export class FolderArtifacts implements ArtifactStore {
  private readonly files: string;
  private readonly parts: string;
  /** Stats of the files that this process has written or checked, by SHA-256. */
  private readonly checked = new Map<string, string>();

  /** Opens a store. @param folder created if it does not exist */
  constructor(folder: string) {
    this.files = path.join(folder, 'sha256');
    this.parts = path.join(folder, 'parts');
    for (const each of [this.files, this.parts]) fs.mkdirSync(each, { recursive: true, mode: 0o700 });
    this.adoptParts();
  }

  async has(sha256: string): Promise<boolean> {
    return fs.existsSync(this.fileOf(sha256));
  }

  async isWhole(sha256: string): Promise<boolean> {
    return (await this.find(sha256)) !== undefined;
  }

  async path(sha256: string): Promise<string> {
    await this.size(sha256);
    return this.fileOf(sha256);
  }

  async size(sha256: string): Promise<number> {
    const found = await this.find(sha256);
    if (found) return Number(found.size);
    throw new HifiError('NOT_FOUND', `no artifact ${sha256}`);
  }

  async add(file: string): Promise<StoredFile> {
    const sha256 = await sha256OfFile(file);
    const { size: sizeBytes } = await fsp.stat(file);
    if (await this.isWhole(sha256)) return { sha256, sizeBytes };
    const beside = this.newPart();
    try {
      // A hard link, if possible, saves the copy of a checkpoint. The file is complete and never
      // changes.
      await fsp.link(file, beside).catch(() => writing(this.fileOf(sha256), () => fsp.copyFile(file, beside)));
      await this.keep(beside, sha256, sizeBytes);
    } finally {
      await fsp.rm(beside, { force: true });
    }
    return { sha256, sizeBytes };
  }

  async addText(text: string): Promise<StoredFile> {
    const beside = this.newPart();
    try {
      await writing(this.files, () => fsp.writeFile(beside, text));
      return await this.add(beside);
    } finally {
      await fsp.rm(beside, { force: true });
    }
  }

  async upload(sha256: string): Promise<UploadState> {
    const found = await this.find(sha256);
    if (found) return { offset: Number(found.size), complete: true };
    const part = receiving.get(this.fileOf(sha256));
    return { offset: (part && sizeOf(part)) || sizeOf(this.part(sha256)), complete: false };
  }

  async receive(
    { sha256, sizeBytes, offset }: StoredFile & { offset: number },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<StoredFile> {
    const file = await within('sha256', () => this.fileOf(sha256));
    const found = await this.find(sha256);
    if (found) return { sha256, sizeBytes: Number(found.size) };
    if (receiving.has(file)) {
      const message = `another upload of ${sha256} is in progress: wait for it`;
      throw new RpcError(status.ABORTED, 'UPLOAD_AT_WORK', message, { retrySeconds: RETRY_SECONDS });
    }
    const rest = this.part(sha256);
    // No other process writes to a part of this name.
    const part = `${rest}.${processMark()}-${randomUUID()}`;
    receiving.set(file, part);
    try {
      const actual = await received({ part, rest, offset, sizeBytes }, chunks);
      if (actual !== sha256) {
        throw invalidPart('sha256', `the upload's SHA-256 is ${actual}; it must be ${sha256}`);
      }
      await this.keep(part, sha256, sizeBytes);
      return { sha256, sizeBytes };
    } finally {
      await fsp.rm(part, { force: true });
      receiving.delete(file);
    }
  }

  async *read(sha256: string, offset: number, chunkBytes: number): AsyncGenerator<Buffer> {
    const size = await this.size(sha256);
    if (offset > size) throw invalidInput(`offset is ${offset}; the artifact has ${size} bytes`);
    const stream = fs.createReadStream(this.fileOf(sha256), { start: offset, highWaterMark: chunkBytes });
    for await (const chunk of stream) yield chunk as Buffer;
  }

  async *list(): AsyncGenerator<{ sha256: string; time: number }> {
    for (const sha256 of fs.readdirSync(this.files)) {
      const stat = fs.statSync(path.join(this.files, sha256), { throwIfNoEntry: false });
      if (stat) yield { sha256, time: stat.ctimeMs };
    }
  }

  async dropParts(before: number): Promise<void> {
    for (const name of fs.readdirSync(this.parts)) {
      const part = path.join(this.parts, name);
      const stat = fs.statSync(part, { throwIfNoEntry: false });
      if (stat && stat.mtimeMs < before) fs.rmSync(part, { force: true });
    }
  }

  async remove(sha256: string): Promise<void> {
    fs.rmSync(this.fileOf(sha256), { force: true });
    this.checked.delete(sha256);
  }

  /** Returns the stat of a stored file after checking that it is undamaged. */
  private async find(sha256: string): Promise<fs.BigIntStats | undefined> {
    const file = this.fileOf(sha256);
    const stat = await statOf(file);
    if (stat === undefined) return undefined;
    if (this.checked.get(sha256) !== stampOf(stat)) {
      const actual = await sha256IfThere(file);
      if (actual !== sha256) {
        if (actual !== undefined) await this.drop(sha256, stat);
        return undefined;
      }
      this.checked.set(sha256, stampOf(stat));
    }
    await noteUse(file, stat);
    return stat;
  }

  /** Removes a damaged file, but not a file that has replaced it. */
  private async drop(sha256: string, damaged: fs.BigIntStats): Promise<void> {
    const aside = this.newPart();
    await ifThere(() => fsp.rename(this.fileOf(sha256), aside));
    const found = await statOf(aside);
    if (found && found.ino !== damaged.ino) await fsp.rename(aside, this.fileOf(sha256));
    await fsp.rm(aside, { force: true });
  }

  /** Moves a complete part to its final name, synced to the disk. */
  private async keep(part: string, sha256: string, sizeBytes: number): Promise<void> {
    await synced(part, sizeBytes);
    const stat = await fsp.stat(part, { bigint: true });
    await fsp.rename(part, this.fileOf(sha256));
    await synced(this.files);
    this.checked.set(sha256, stampOf(stat));
  }

  /** Makes uploads resumable that were interrupted by a kill of their process. */
  private adoptParts(): void {
    const own = new Set(receiving.values());
    for (const name of fs.readdirSync(this.parts)) {
      const [, sha256, mark] = OWN_PART.exec(name) ?? [];
      const part = path.join(this.parts, name);
      if (sha256 === undefined || own.has(part)) continue;
      if (mark !== processMark() && !isLeft(part, mark)) continue;
      if (sizeOf(part) > sizeOf(this.part(sha256))) fs.renameSync(part, this.part(sha256));
      else fs.rmSync(part, { force: true });
    }
  }

  private fileOf(sha256: string): string {
    if (SHA256.test(sha256)) return path.join(this.files, sha256);
    throw invalidInput(
      `${JSON.stringify(sha256.slice(0, 80))} is no SHA-256; it must be 64 hexadecimal digits in lower case`,
    );
  }

  /** Path of an interrupted upload. */
  private part(sha256: string): string {
    return path.join(this.parts, path.basename(this.fileOf(sha256)));
  }

  private newPart(): string {
    return path.join(this.parts, randomUUID());
  }
}

/** Stat of a file; undefined if it does not exist. */
const statOf = (file: string) => ifThere(() => fsp.stat(file, { bigint: true }));

/** Runs `work` on a file that another process may remove; returns undefined if it was removed. */
async function ifThere<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Key that changes when a file is replaced or written to. */
const stampOf = ({ ino, size, mtimeNs }: fs.BigIntStats) => `${ino} ${size} ${mtimeNs}`;

/** Maximum age of a stored last-use time, in milliseconds. */
const USE_MS = 60_000;

/**
 * Sets a file's last use to now. The last use is the ctime: setting the same mode updates only it.
 */
async function noteUse(file: string, { ctimeMs, mode }: fs.BigIntStats): Promise<void> {
  if (Date.now() - Number(ctimeMs) > USE_MS) await fsp.chmod(file, Number(mode) & 0o777).catch(() => {});
}
