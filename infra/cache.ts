import * as fs from 'node:fs';
import * as path from 'node:path';
import { cacheFolder } from '../model/cache-folder';

/** Whether the cache has a folder `name`. */
export const isCached = (name: string) => fs.existsSync(path.join(cacheFolder(), name));

/**
 * The folder `name` of the cache, made by `make` if it is not there. It appears whole or not at all: `make` fills a
 * folder beside it, which is then renamed. Of two that make it at once the first one wins, and the other's is dropped.
 *
 * @returns the folder's path
 */
export async function cached(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = path.join(cacheFolder(), name);
  if (fs.existsSync(folder)) return folder;
  fs.mkdirSync(path.dirname(folder), { recursive: true });
  const making = fs.mkdtempSync(`${folder}.making-`);
  try {
    await make(making);
    try {
      fs.renameSync(making, folder);
    } catch (error) {
      if (!fs.existsSync(folder)) throw error;
    }
    return folder;
  } finally {
    fs.rmSync(making, { recursive: true, force: true });
  }
}
