import * as fs from 'node:fs';
import { invalidInput, isNoDescriptor } from './errors';

/**
 * Opens a regular file for reading. Opening a FIFO waits for its writer, and a device may have no
 * end.
 * @returns its descriptor; undefined if there is no such file
 * @throws HifiError INVALID_INPUT, one line that names what is there instead; the system's error if
 *   no descriptor is free
 */
export function openRegularFile(file: string): number | undefined {
  let descriptor: number | undefined;
  try {
    refuseOthers(file, fs.statSync(file));
    // This does not wait even if a FIFO has just replaced the file.
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    refuseOthers(file, fs.fstatSync(descriptor));
    return descriptor;
  } catch (cause) {
    if (descriptor !== undefined) fs.closeSync(descriptor);
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (isNoDescriptor(cause)) throw cause;
    if (cause instanceof Error && code !== undefined && 'syscall' in cause)
      throw invalidInput(`${file}: cannot be read (${message})`, cause);
    throw cause;
  }
}

/**
 * Reads a regular file.
 * @returns its bytes; undefined if there is no such file
 * @throws HifiError as {@link openRegularFile}
 */
export function readRegularFile(file: string): Buffer | undefined {
  const descriptor = openRegularFile(file);
  if (descriptor === undefined) return undefined;
  try {
    return fs.readFileSync(descriptor);
  } catch (cause) {
    throw invalidInput(`${file}: cannot be read (${(cause as Error).message})`, cause);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Text of a regular file. @throws HifiError as {@link openRegularFile}, and for a missing file */
export function regularFileText(file: string): string {
  const bytes = readRegularFile(file);
  if (bytes === undefined) throw invalidInput(`${file}: no such file`);
  return bytes.toString('utf8');
}

function refuseOthers(file: string, stat: fs.Stats): void {
  const kind = otherKind(stat);
  if (kind !== undefined) throw invalidInput(`${file}: is ${kind}; it must be a regular file`);
}

/** Kind of what is no regular file, such as `a folder`; undefined for a regular file. */
export function otherKind(stat: fs.Stats): string | undefined {
  if (stat.isFile()) return undefined;
  const kinds = {
    'a folder': stat.isDirectory(),
    'a FIFO': stat.isFIFO(),
    'a socket': stat.isSocket(),
    'a device': stat.isCharacterDevice() || stat.isBlockDevice(),
  };
  return Object.entries(kinds).find(([, is]) => is)?.[0] ?? 'no file';
}

/** Number of bytes that {@link otherContent} reads. */
export const RECOGNISED_BYTES = 512;

/**
 * Recognises a file whose content does not match its name: a Git LFS pointer, a web page, an
 * archive.
 * @param bytes the first {@link RECOGNISED_BYTES} bytes of a file, or all of them
 * @returns what it is and how to fix it; undefined for anything else
 */
export function otherContent(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.subarray(0, RECOGNISED_BYTES)).toString('latin1');
  if (start.startsWith('version https://git-lfs.github.com/spec/'))
    return 'is a Git LFS pointer, not the file itself; `git lfs pull` fetches the file';
  if (/^\s*<(?:!doctype html|html|head|body|!--)/i.test(start))
    return 'is an HTML page, not the file itself; download the file again from its direct link';
  if (/^\s*<(?:\?xml|Error>)/i.test(start))
    return "is an XML document, such as a server's error response; download the file again";
  if (start.startsWith('PK\x03\x04'))
    return 'is a ZIP archive, such as PyTorch writes; name it pytorch_model.bin if it is one, else unpack it';
  if (start.startsWith('\x1f\x8b')) return 'is compressed by gzip; unpack it';
  return undefined;
}
