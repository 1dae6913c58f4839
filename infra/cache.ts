import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

/** Where native parts, models and wheels are kept: `$XDG_CACHE_HOME/hifi`, or `~/.cache/hifi`. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  // The XDG specification: a relative path is to be ignored.
  return path.join(base && path.isAbsolute(base) ? base : path.join(os.homedir(), '.cache'), 'hifi');
}

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

/** SHA-256 of a file, read in a stream, as 64 hexadecimal digits. */
export async function fileSha256(file: string): Promise<string> {
  const hash = crypto.createHash('sha256');
  for await (const chunk of fs.createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}
