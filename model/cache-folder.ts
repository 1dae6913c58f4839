import * as os from 'node:os';
import * as path from 'node:path';
import { invalidInput } from '../errors';

/**
 * Where native parts, models and wheels are kept: `$XDG_CACHE_HOME/hifi`, or `~/.cache/hifi`.
 *
 * @throws HifiError INVALID_INPUT where there is neither
 */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  // The XDG specification: a relative path is to be ignored.
  return path.join(base && path.isAbsolute(base) ? base : path.join(homeFolder('XDG_CACHE_HOME'), '.cache'), 'hifi');
}

/**
 * The user's folder. Without HOME the system must know the user, and of one that a container was given by its number it does not.
 *
 * @param instead what else the user could give
 * @throws HifiError INVALID_INPUT
 */
export function homeFolder(instead: string): string {
  try {
    return os.homedir();
  } catch (error) {
    throw invalidInput(`this user has no home folder: set HOME, or give ${instead}`, error);
  }
}
