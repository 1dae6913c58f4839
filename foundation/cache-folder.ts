import * as os from 'node:os';
import * as path from 'node:path';
import { invalidInput } from './errors';

/**
 * Folder of native parts, models and wheels: `$XDG_CACHE_HOME/hifi`, or `~/.cache/hifi`.
 *
 * @throws HifiError INVALID_INPUT if neither variable nor home folder is known
 */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  // The XDG specification: relative paths are invalid and must be ignored.
  return path.join(base && path.isAbsolute(base) ? base : path.join(homeFolder('XDG_CACHE_HOME'), '.cache'), 'hifi');
}

/**
 * Home folder of the user. Without HOME the system must know the user; a container that runs under
 * a bare user number does not.
 *
 * @param instead setting that the user can give in its place
 * @throws HifiError INVALID_INPUT
 */
export function homeFolder(instead: string): string {
  try {
    return os.homedir();
  } catch (error) {
    throw invalidInput(`this user has no home folder: set HOME, or give ${instead}`, error);
  }
}
