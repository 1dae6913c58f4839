import * as fs from 'node:fs';
import * as path from 'node:path';
import { cacheFolder } from '../foundation/cache-folder';
import { making, putInPlace } from '../foundation/making';

/** Returns true if the cache has a folder `name`. */
export const isCached = (name: string) => fs.existsSync(path.join(cacheFolder(), name));

/**
 * Returns the folder `name` of the cache, created by `make` if it does not exist. It appears whole
 * or not at all: `make` fills a folder beside it, which is then renamed. If two processes create it
 * at once, the first one wins. The other's folder is removed, as are the remains of a killed
 * process.
 *
 * @returns the folder's path
 */
export async function cached(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = path.join(cacheFolder(), name);
  if (fs.existsSync(folder)) return folder;
  return making(folder, async (beside) => {
    await make(beside);
    putInPlace(beside, folder, () => fs.existsSync(folder));
    return folder;
  });
}
