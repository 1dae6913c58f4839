import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput, isNoDescriptor } from '../foundation/errors';
import { sha256Of } from '../foundation/hash';
import type { NamedFile } from './bytes';
import type { DataSource } from './dataset';
import { DATA_FORMATS, type DataFormat, EXTENSIONS, formatNamed, formatOf } from './format';

/**
 * Lists the files of a source in reading order: the named files, and the files of a named folder
 * sorted by name (by code units, as `LC_ALL=C ls`). In a folder, names that begin with `.` or `_`
 * are skipped, as by Hadoop's tools. Without a given format, files with an unknown extension are
 * skipped too.
 * @throws HifiError INVALID_INPUT for a folder without such a file, and for files of two formats
 */
export function filesOf({ path: first, file, more = [], format }: DataSource): NamedFile[] {
  const named: NamedFile[] = [{ path: first, ...(file !== undefined && { file }) }, ...more];
  const files = named.flatMap((each) => (isFolder(each) ? folderFiles(each, format) : [each]));
  if (format !== undefined || files.length === 1) return files;
  const [one, ...others] = files;
  const other = others.find((each) => formatOf(each.path) !== formatOf(one.path));
  if (other === undefined) return files;
  const found = `${other.path} is ${formatOf(other.path)}, ${one.path} is ${formatOf(one.path)}`;
  throw invalidInput(`${found}; files that are read together must have one format`);
}

/**
 * Returns the format of a source's files: the given one, or the one of their names.
 * @throws HifiError INVALID_INPUT as {@link filesOf} and {@link formatOf}
 */
export const sourceFormat = (source: DataSource): DataFormat => source.format ?? formatOf(filesOf(source)[0].path);

/** Name of all of a source's rows in messages and reports. */
export function sourceName({ path: first, more = [] }: DataSource): string {
  if (more.length === 0) return first;
  return `${first} and ${more.length} more ${more.length === 1 ? 'file' : 'files'}`;
}

/**
 * SHA-256 of a source: that of its one file, or that of its files' hashes in order, joined by
 * newlines.
 */
export const sourceSha256 = (files: readonly string[]) => (files.length === 1 ? files[0] : sha256Of(files.join('\n')));

const isFolder = ({ path: named, file = named }: NamedFile) =>
  fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;

function folderFiles({ path: folder, file: at = folder }: NamedFile, format: DataFormat | undefined): NamedFile[] {
  let names: string[];
  try {
    names = fs.readdirSync(at).sort();
  } catch (error) {
    if (isNoDescriptor(error)) throw error;
    throw invalidInput(`${folder}: the folder cannot be read (${(error as NodeJS.ErrnoException).code})`, error);
  }
  const files = names
    .filter((name) => !/^[._]/.test(name) && (format !== undefined || formatNamed(name) !== undefined))
    .map((name) => ({ path: path.join(folder, name), ...(at !== folder && { file: path.join(at, name) }) }))
    .filter((each) => !isFolder(each));
  if (files.length > 0) return files;
  const wanted =
    format === undefined ? `a name that ends in ${EXTENSIONS.join(', ')}` : 'a name that does not begin with . or _';
  throw invalidInput(
    `${folder}: is a folder and holds no file with ${wanted}; give a file, or the folder that holds the files${
      format === undefined ? `, or --format ${DATA_FORMATS.join('|')}` : ''
    }`,
  );
}
