import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { HifiError, invalidInput, isNoDescriptor, isNoSpace } from '../errors';
import { writing } from './disk';

/*
 * Checks of the paths that hifi writes to. A file or folder is written under a name of its own, then renamed; whether that can
 * succeed is known before any work begins.
 */

/** Bytes of a file's name, and of a path with its final zero byte: Linux' NAME_MAX and PATH_MAX. */
const LONGEST_NAME = 255;
const LONGEST_PATH = 4096;
/** Links that the kernel follows before it gives up. */
const MOST_LINKS = 40;

/** Name of a file or folder until it takes its place. It does not depend on that place's name, which may be as long as names get. */
export const stagedName = () => `.hifi-${crypto.randomUUID()}`;

/** Whether a name is one of {@link stagedName}: under such a name lies what a killed process left unfinished. */
export const isStaged = (name: string) => /^\.hifi-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name);

/**
 * Path that `out` leads to: links are followed, also one to a place where there is nothing yet.
 *
 * @throws HifiError INVALID_INPUT where links lead in a circle.
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
    return undefined; // Not a link, or not there.
  }
}

/**
 * Checks that a file or folder can be written at `out`: a file can take that place, or a folder receive files. Leaves nothing
 * behind, so that it can be called before any work.
 *
 * @param said the place in messages
 * @throws HifiError INVALID_INPUT with the reason: no permission, a read-only file system, a path through a file, a name that is
 *   too long, a file that is a mount point; DISK_FULL
 */
export function checkPlace(out: string, kind: 'file' | 'folder', said = `--out ${out}`): void {
  const target = placeOf(out);
  const refuse = (reason: string, error?: unknown) => invalidInput(`${said} cannot be written: ${reason}`, error);
  const tooLong = path
    .relative('/', target)
    .split(path.sep)
    .find((name) => Buffer.byteLength(name) > LONGEST_NAME);
  if (tooLong !== undefined) {
    const bytes = Buffer.byteLength(tooLong);
    throw refuse(`the name ${tooLong.slice(0, 20)}… has ${bytes} bytes; the most is ${LONGEST_NAME}`);
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
    throw unwritable(said, folder, error);
  }
  if (kind === 'file' && isMountPoint(target)) {
    throw refuse('it is a mount point, which no new file can replace; mount its folder, or give another file');
  }
}

/** Error of a write as one line: what cannot be written, and why as far as the system says. What passes is no bad input. */
export function unwritable(said: string, folder: string, error: unknown): Error {
  const { code, message, name } = error as NodeJS.ErrnoException;
  if (name === 'HifiError' || isNoDescriptor(error)) return error as Error;
  if (isNoSpace(error)) return HifiError.from(error);
  const known: Record<string, string> = {
    EACCES: `this user may not write in ${folder}`,
    EPERM: `this user may not write in ${folder}`,
    EROFS: `${folder} is on a read-only file system`,
    ENOTDIR: `${folder} is a file, not a folder`,
  };
  return invalidInput(`${said} cannot be written: ${known[code ?? ''] ?? message}`, error);
}

/** The folder itself, or the nearest above it that is there. */
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

/** Whether something is mounted at a path. A bind mount has its origin's device: only the list of mounts shows it. */
function isMountPoint(target: string): boolean {
  let list: string;
  try {
    list = fs.readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return false;
  }
  const real = fs.existsSync(target) ? fs.realpathSync(target) : target;
  // The fifth field is the mount point, with spaces and the like as \040.
  const named = (line: string) =>
    line.split(' ')[4]?.replaceAll(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
  return list.split('\n').some((line) => named(line) === real);
}
