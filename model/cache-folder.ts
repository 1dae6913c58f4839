import * as os from 'node:os';
import * as path from 'node:path';

/** Where native parts, models and wheels are kept: `$XDG_CACHE_HOME/hifi`, or `~/.cache/hifi`. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  // The XDG specification: a relative path is to be ignored.
  return path.join(base && path.isAbsolute(base) ? base : path.join(os.homedir(), '.cache'), 'hifi');
}
