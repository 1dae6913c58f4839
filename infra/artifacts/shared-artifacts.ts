import * as fsp from 'node:fs/promises';
import { HifiError } from '../../foundation/errors';
import { sha256OfFile } from '../../foundation/hash';
import type { StoredFile } from '../../foundation/stored-file';
import { sweepCache } from './cache-sweep';
import { download, isDamaged } from './download';
import type { FolderArtifacts } from './folder-store';
import type { Objects, StoredObject } from './objects';
import type { ArtifactStore, UploadState } from './store';

/** Folder of the artifacts, and of the times of their last use, among a store's objects. */
const FILES = 'sha256/';
const USES = 'used/';
/** Age of a last use after which it is stored again, in milliseconds. */
const USE_MS = 3600_000;

/**
 * Artifacts in S3, with a folder as their cache. An upload arrives in the cache, and is complete
 * once S3 has it. S3 stores no time of a last use: an empty object `used/SHA256` has it.
 */
export class SharedArtifacts implements ArtifactStore {
  /** Last uses that this process has stored, by SHA-256. */
  private readonly used = new Map<string, number>();

  constructor(
    private readonly objects: Objects,
    private readonly cache: FolderArtifacts,
  ) {}

  async has(sha256: string): Promise<boolean> {
    return (await this.find(sha256)) !== undefined;
  }

  async isWhole(sha256: string): Promise<boolean> {
    const found = await this.find(sha256);
    if (found) await this.noteUse(found);
    return found !== undefined;
  }

  async path(sha256: string, signal?: AbortSignal): Promise<string> {
    if (!(await this.cache.isWhole(sha256))) await this.fetch(sha256, signal);
    return this.cache.path(sha256);
  }

  async size(sha256: string): Promise<number> {
    const found = await this.find(sha256);
    if (!found) throw missing(sha256);
    await this.noteUse(found);
    return found.sizeBytes;
  }

  async add(file: string, signal?: AbortSignal): Promise<StoredFile> {
    const sha256 = await sha256OfFile(file);
    const { size: sizeBytes } = await fsp.stat(file);
    await this.keep(sha256, file, signal);
    return { sha256, sizeBytes };
  }

  async addText(text: string): Promise<StoredFile> {
    const stored = await this.cache.addText(text);
    await this.keep(stored.sha256, await this.cache.path(stored.sha256));
    return stored;
  }

  async upload(sha256: string): Promise<UploadState> {
    const found = await this.find(sha256);
    if (found) {
      await this.noteUse(found);
      return { offset: found.sizeBytes, complete: true };
    }
    // A file that only the cache has is received once more, without bytes, to be stored.
    return { offset: (await this.cache.upload(sha256)).offset, complete: false };
  }

  async receive(file: StoredFile & { offset: number }, chunks: AsyncIterable<Uint8Array>): Promise<StoredFile> {
    const stored = await this.cache.receive(file, chunks);
    await this.keep(stored.sha256, await this.cache.path(stored.sha256));
    return stored;
  }

  async *read(sha256: string, offset: number, chunkBytes: number): AsyncGenerator<Buffer> {
    await this.path(sha256);
    yield* this.cache.read(sha256, offset, chunkBytes);
  }

  async *list(): AsyncGenerator<{ sha256: string; time: number }> {
    const uses = new Map<string, number>();
    for await (const { key, time } of this.objects.list(USES)) uses.set(key.slice(USES.length), time);
    for await (const { key, time } of this.objects.list(FILES)) {
      const sha256 = key.slice(FILES.length);
      yield { sha256, time: Math.max(time, uses.get(sha256) ?? 0) };
    }
  }

  async dropParts(before: number): Promise<void> {
    await this.objects.dropParts(before);
    await sweepCache(this.cache, Date.now());
  }

  async remove(sha256: string): Promise<void> {
    this.used.delete(sha256);
    await this.cache.remove(sha256);
    await this.objects.remove([keyOf(sha256), useOf(sha256)]);
  }

  /** Checks the form of the name too. */
  private async find(sha256: string): Promise<StoredObject | undefined> {
    await this.cache.has(sha256);
    return this.objects.stat(keyOf(sha256));
  }

  private async keep(sha256: string, file: string, signal?: AbortSignal): Promise<void> {
    if (!(await this.isWhole(sha256))) await this.objects.put(keyOf(sha256), file, signal);
  }

  /**
   * Downloads a file into the cache. A damaged object is removed, so that it can be stored again.
   */
  private async fetch(sha256: string, signal?: AbortSignal): Promise<void> {
    const sizeBytes = await this.size(sha256);
    try {
      await download(this.objects, keyOf(sha256), { sha256, sizeBytes }, this.cache, signal);
    } catch (error) {
      if (!isDamaged(error)) throw error;
      await this.remove(sha256);
      throw missing(sha256, error);
    }
  }

  /** Stores the time of a use, before a sweep could remove the file. */
  private async noteUse({ key, time }: StoredObject): Promise<void> {
    const sha256 = key.slice(FILES.length);
    const now = Date.now();
    if (now - Math.max(time, this.used.get(sha256) ?? 0) < USE_MS) return;
    await this.objects.putText(useOf(sha256), '');
    this.used.set(sha256, now);
  }
}

const keyOf = (sha256: string) => `${FILES}${sha256}`;
const useOf = (sha256: string) => `${USES}${sha256}`;
const missing = (sha256: string, cause?: unknown) => new HifiError('NOT_FOUND', `no artifact ${sha256}`, cause);
