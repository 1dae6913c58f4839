import { readFully } from '../tensor-file';

/** File of a zip archive, stored uncompressed. */
export interface StoredEntry {
  /** Position of its first byte in the archive, and its size in bytes. */
  begin: number;
  size: number;
}

/**
 * Error of an archive that is damaged or unsupported; `message` continues a sentence that begins
 * with the file.
 */
export class ZipError extends Error {}

/** Maximum size of a directory in bytes: some 150,000 entries. */
const DIRECTORY_MOST = 16 << 20;

const [END, END_BYTES, LONGEST_COMMENT] = [0x06054b50, 22, 0xffff];
const [LOCATOR, LOCATOR_BYTES, END64, END64_BYTES] = [0x07064b50, 20, 0x06064b50, 56];
const [CENTRAL, CENTRAL_BYTES, LOCAL, LOCAL_BYTES] = [0x02014b50, 46, 0x04034b50, 30];
/** Value of a field of 16 or 32 bits whose actual value is in the zip64 part. */
const [IN_ZIP64_16, IN_ZIP64_32] = [0xffff, 0xffffffff];

/**
 * Reads the directory of a zip archive (APPNOTE 6.3, including zip64) and locates each of its
 * files. torch stores files uncompressed, so they can be read in place; a compressed file is
 * refused.
 * @throws ZipError
 */
export function zipDirectory(file: string, descriptor: number, size: number): Map<string, StoredEntry> {
  const read = (position: number, bytes: number): Buffer => {
    if (position < 0 || bytes < 0 || position + bytes > size) throw new ZipError('its zip archive is truncated');
    const buffer = Buffer.alloc(bytes);
    readFully(file, descriptor, buffer, position);
    return buffer;
  };
  const { entries, begin, bytes } = endOf(read, size);
  if (bytes > DIRECTORY_MOST) {
    throw new ZipError(`the directory of its zip archive has ${bytes} bytes; at most ${DIRECTORY_MOST} are read`);
  }
  const directory = read(begin, bytes);
  const found = new Map<string, StoredEntry>();
  let at = 0;
  for (let i = 0; i < entries; i++) {
    if (at + CENTRAL_BYTES > bytes || directory.readUInt32LE(at) !== CENTRAL) throw damaged();
    const flags = directory.readUInt16LE(at + 8);
    const method = directory.readUInt16LE(at + 10);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field));
    const nameAt = at + CENTRAL_BYTES;
    const next = nameAt + nameBytes + extraBytes + commentBytes;
    if (next > bytes) throw damaged();
    const name = directory.toString('utf8', nameAt, nameAt + nameBytes);
    if (method !== 0 || (flags & 1) !== 0) {
      throw new ZipError(
        `its zip archive has ${JSON.stringify(name.slice(0, 80))} compressed or encrypted; torch stores files as they are`,
      );
    }
    const fields = [24, 20, 42].map((offset) => directory.readUInt32LE(at + offset));
    const [unpacked, , local] = widened(
      fields,
      directory.subarray(nameAt + nameBytes, nameAt + nameBytes + extraBytes),
    );
    const header = read(local, LOCAL_BYTES);
    if (header.readUInt32LE(0) !== LOCAL) throw damaged();
    const dataAt = local + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
    if (dataAt + unpacked > size) throw new ZipError('its zip archive is truncated');
    if (found.has(name)) throw damaged();
    found.set(name, { begin: dataAt, size: unpacked });
    at = next;
  }
  return found;
}

type Read = (position: number, bytes: number) => Buffer;

/** Locates the directory from the archive's end record. */
function endOf(read: Read, size: number): { entries: number; begin: number; bytes: number } {
  const tail = read(Math.max(0, size - END_BYTES - LONGEST_COMMENT), Math.min(size, END_BYTES + LONGEST_COMMENT));
  let at = tail.length - END_BYTES;
  while (at >= 0 && tail.readUInt32LE(at) !== END) at--;
  if (at < 0) throw new ZipError('its zip archive has no directory; it is truncated');
  const end = {
    entries: tail.readUInt16LE(at + 10),
    bytes: tail.readUInt32LE(at + 12),
    begin: tail.readUInt32LE(at + 16),
  };
  if (end.entries !== IN_ZIP64_16 && end.bytes !== IN_ZIP64_32 && end.begin !== IN_ZIP64_32) return end;
  const endAt = size - tail.length + at;
  const locator = read(endAt - LOCATOR_BYTES, LOCATOR_BYTES);
  if (locator.readUInt32LE(0) !== LOCATOR) return end;
  const wide = read(whole(locator.readBigUInt64LE(8)), END64_BYTES);
  if (wide.readUInt32LE(0) !== END64) throw damaged();
  const [entries, bytes, begin] = [32, 40, 48].map((field) => whole(wide.readBigUInt64LE(field)));
  return { entries, bytes, begin };
}

/** Fields of 32 bits of an entry, with overflowing ones replaced in order from its zip64 part. */
function widened(fields: readonly number[], extra: Buffer): number[] {
  let wide: Buffer = Buffer.alloc(0);
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) === 1) wide = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
  }
  let at = 0;
  return fields.map((value) => {
    if (value !== IN_ZIP64_32) return value;
    if (at + 8 > wide.length) throw damaged();
    at += 8;
    return whole(wide.readBigUInt64LE(at - 8));
  });
}

function whole(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw damaged();
  return number;
}

const damaged = () => new ZipError('its zip archive is damaged');
