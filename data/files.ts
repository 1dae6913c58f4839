import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput, isNoDescriptor } from '../errors';
import type { NamedFile } from './bytes';
import type { DataSource } from './dataset';
import { DATA_FORMATS, type DataFormat, EXTENSIONS, formatNamed, formatOf } from './format';

/**
 * The files of a source in the order in which they are read: those that it names, and of a folder the files in it by name (by code
 * units, as `LC_ALL=C ls` sorts). In a folder, names that begin with `.` or `_` are passed over, as Hadoop's tools do; so is, where
 * no format is given, a file whose name tells none.
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
 * The format of a source's files: the one that is given, else the one that their names tell.
 * @throws HifiError INVALID_INPUT as {@link filesOf} and {@link formatOf}
 */
export const sourceFormat = (source: DataSource): DataFormat => source.format ?? formatOf(filesOf(source)[0].path);

/** What messages and reports call all of a source's rows. */
export function sourceName({ path: first, more = [] }: DataSource): string {
  if (more.length === 0) return first;
  return `${first} and ${more.length} more ${more.length === 1 ? 'file' : 'files'}`;
}

/** SHA-256 of a source, by those of its files in order: of one file its own, of several that of theirs, joined by newlines. */
export const sourceSha256 = (files: readonly string[]) =>
  files.length === 1 ? files[0] : createHash('sha256').update(files.join('\n')).digest('hex');

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
  const wanted = format === undefined ? `a name that ends in ${EXTENSIONS.join(', ')}` : 'a name of its own';
  throw invalidInput(
    `${folder}: is a folder and holds no file with ${wanted}; give a file, or the folder that holds the files${
      format === undefined ? `, or --format ${DATA_FORMATS.join('|')}` : ''
    }`,
  );
}
