import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { writing } from './disk';
import { HifiError, invalidInput, isNoDescriptor, isNoSpace } from './errors';

/*
 * Checks of the paths that hifi writes to. hifi writes a file or folder under a temporary name,
 * then renames it. The checks show before any work begins that this can succeed.
 */

/**
 * Most bytes of a file's name, and of a path with its final zero byte: NAME_MAX and PATH_MAX of
 * Linux.
 */
const LONGEST_NAME = 255;
const LONGEST_PATH = 4096;
/** Most links that the kernel follows in one path. */
const MOST_LINKS = 40;

/**
 * Creates a temporary name for a file or folder. It does not contain the final name, which may
 * already have the maximum length.
 */
export const stagedName = () => `.hifi-${crypto.randomUUID()}`;

/** Returns true for a name of {@link stagedName}, which a killed process may have left behind. */
export const isStaged = (name: string) => /^\.hifi-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name);

/**
 * Resolves the links of `out`, including one to a missing file.
 *
 * @throws HifiError INVALID_INPUT if the links form a circle
 */
export function placeOf(out: string): string {
  let at = path.resolve(out);
  for (let links = 0; links < MOST_LINKS; links++) {
    const target = linkTarget(at);
    if (target === undefined) return at;
    at = path.resolve(fs.realpathSync(path.dirname(at)), target);
  }
  throw invalidInput(`${out} cannot be written: its links lead in a circle`);
}

function linkTarget(file: string): string | undefined {
  try {
    return fs.readlinkSync(file);
  } catch {
    return undefined; // Not a link, or missing.
  }
}

/**
 * Checks that a file or folder can be written at `out`. Leaves nothing behind, so that callers can
 * check before any work.
 *
 * @param label name of the path in messages
 * @throws HifiError INVALID_INPUT with the reason: no permission, a read-only file system, a path
 *   through a file, a name that is too long, a file that is a mount point; DISK_FULL
 */
export function checkPlace(out: string, kind: 'file' | 'folder', label = `--out ${out}`): void {
  const target = placeOf(out);
  const refuse = (reason: string, error?: unknown) => invalidInput(`${label} cannot be written: ${reason}`, error);
  const tooLong = path
    .relative('/', target)
    .split(path.sep)
    .find((name) => Buffer.byteLength(name) > LONGEST_NAME);
  if (tooLong !== undefined) {
    const bytes = Buffer.byteLength(tooLong);
    throw refuse(`the name ${tooLong.slice(0, 20)}… has ${bytes} bytes; the maximum is ${LONGEST_NAME}`);
  }
  const deepest = kind === 'file' ? path.dirname(target) : target;
  const pathBytes = Buffer.byteLength(path.join(deepest, stagedName())) + 1;
  if (pathBytes > LONGEST_PATH) throw refuse(`its path has ${Buffer.byteLength(target)} bytes, which is too long`);
  const folder = nearestFolder(deepest);
  try {
    if (!fs.statSync(folder).isDirectory()) throw refuse(`${folder} is a file, not a folder`);
    const probe = path.join(folder, stagedName());
    fs.closeSync(writing(out, () => fs.openSync(probe, 'wx')));
    fs.rmSync(probe);
  } catch (error) {
    throw unwritable(label, folder, error);
  }
  if (kind === 'file' && isMountPoint(target)) {
    throw refuse('it is a mount point, which no new file can replace; mount its folder, or give another file');
  }
}

/**
 * Converts a write error to one line: the path, and the system's reason. Temporary errors are not
 * bad input.
 *
 * @param label name of the path in the message
 */
export function unwritable(label: string, folder: string, error: unknown): Error {
  const { code, message, name } = error as NodeJS.ErrnoException;
  if (name === 'HifiError' || isNoDescriptor(error)) return error as Error;
  if (isNoSpace(error)) return HifiError.from(error);
  const known: Record<string, string> = {
    EACCES: `this user may not write in ${folder}`,
    EPERM: `this user may not write in ${folder}`,
    EROFS: `${folder} is on a read-only file system`,
    ENOTDIR: `${folder} is a file, not a folder`,
  };
  return invalidInput(`${label} cannot be written: ${known[code ?? ''] ?? message}`, error);
}

/** Returns the folder itself, or its nearest existing ancestor. */
function nearestFolder(folder: string): string {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      fs.lstatSync(at);
      return at;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if ((code !== 'ENOENT' && code !== 'ENOTDIR') || at === path.dirname(at)) return at;
    }
  }
}

/**
 * Returns true for a mount point. A bind mount has its origin's device, so only the list of mounts
 * shows it.
 */
function isMountPoint(target: string): boolean {
  let list: string;
  try {
    list = fs.readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return false;
  }
  const real = fs.existsSync(target) ? fs.realpathSync(target) : target;
  // The fifth field is the mount point, in which \040 stands for a space.
  const named = (line: string) =>
    line.split(' ')[4]?.replaceAll(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
  return list.split('\n').some((line) => named(line) === real);
}
