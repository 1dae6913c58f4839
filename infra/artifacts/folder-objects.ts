import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as fsp from 'node:fs/promises';
import * as path from 'node:path';
import { writing } from '../../foundation/disk';
import { HifiError } from '../../foundation/errors';
import type { Objects, StoredObject } from './objects';
import { synced } from './upload-part';

/** Objects as files of a folder that several machines may share. */
export class FolderObjects implements Objects {
  /** Folder of files that are being written, on the same file system. */
  private readonly parts: string;

  /** @param folder created if it does not exist */
  constructor(private readonly folder: string) {
    this.parts = path.join(folder, 'parts');
    fs.mkdirSync(this.parts, { recursive: true, mode: 0o700 });
  }

  async stat(key: string): Promise<StoredObject | undefined> {
    const stat = fs.statSync(this.at(key), { throwIfNoEntry: false });
    return stat?.isFile() ? { key, sizeBytes: stat.size, time: stat.mtimeMs } : undefined;
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    for (const entry of await entriesOf(this.at(prefix))) {
      const key = `${prefix}${entry.name}`;
      if (entry.isDirectory()) yield* this.list(`${key}/`);
      const found = entry.isFile() && (await this.stat(key));
      if (found) yield found;
    }
  }

  async put(key: string, file: string): Promise<void> {
    // A hard link, if possible, saves the copy; the file is complete and never changes.
    await this.keep(key, (part) => fsp.link(file, part).catch(() => fsp.copyFile(file, part)));
  }

  async putText(key: string, text: string): Promise<void> {
    await this.keep(key, (part) => fsp.writeFile(part, text, { mode: 0o600 }));
  }

  async *read(key: string, offset: number): AsyncGenerator<Uint8Array> {
    const handle = await fsp.open(this.at(key), 'r').catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? new HifiError('NOT_FOUND', `no object ${key}`, error) : error;
    });
    yield* handle.createReadStream({ start: offset, highWaterMark: 1 << 20 });
  }

  async remove(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await fsp.rm(this.at(key), { force: true });
      // A folder that another process is filling stays.
      for (let above = path.dirname(key); above !== '.'; above = path.dirname(above)) {
        const empty = await fsp.rmdir(this.at(above)).then(
          () => true,
          () => false,
        );
        if (!empty) break;
      }
    }
  }

  async dropParts(before: number): Promise<void> {
    for (const { name } of await entriesOf(this.parts)) {
      const part = path.join(this.parts, name);
      const stat = fs.statSync(part, { throwIfNoEntry: false });
      if (stat && stat.ctimeMs < before) await fsp.rm(part, { force: true });
    }
  }

  /** Writes a part and moves it to its final name, synced to the disk. */
  private async keep(key: string, write: (part: string) => Promise<void>): Promise<void> {
    const part = path.join(this.parts, randomUUID());
    const file = this.at(key);
    try {
      await writing(file, () => write(part));
      await synced(part);
      // A removal may take the folder away in between.
      for (let tries = 1; ; tries++) {
        await fsp.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
        try {
          await fsp.rename(part, file);
          break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 3) throw error;
        }
      }
      await synced(path.dirname(file));
    } finally {
      await fsp.rm(part, { force: true });
    }
  }

  private at(key: string): string {
    return path.join(this.folder, key);
  }
}

/** Entries of a folder; none if it does not exist. */
async function entriesOf(folder: string): Promise<fs.Dirent[]> {
  try {
    return await fsp.readdir(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
