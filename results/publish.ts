import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { writing } from '../disk';
import { invalidInput } from '../errors';

/**
 * Makes a folder that appears whole or not at all: `fill` writes into a hidden folder beside it, which is renamed at the
 * end and removed when `fill` throws.
 *
 * @param replaceable names of files: a folder that holds none but these is replaced. Without it `out` must be new or empty.
 * @throws INVALID_INPUT where `out` holds something else.
 */
export function publishFolder(out: string, fill: (folder: string) => void, replaceable: readonly string[] = []): void {
  const { beside, publish, discard } = startFolder(out, replaceable);
  try {
    writing(out, () => fill(beside));
    publish();
  } finally {
    discard();
  }
}

/** {@link publishFolder} for a folder that takes its time: `fill` may wait. */
export async function publishFolderWhen(out: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const { beside, publish, discard } = startFolder(out, []);
  try {
    await writing(out, () => fill(beside));
    publish();
  } finally {
    discard();
  }
}

/** A hidden folder beside `out`, which takes its place or is dropped. */
function startFolder(out: string, replaceable: readonly string[]) {
  // A link to an empty folder is filled where it points to.
  const target = fs.existsSync(out) ? fs.realpathSync(out) : path.resolve(out);
  const occupant = occupants(target).find((name) => !replaceable.includes(name));
  if (occupant !== undefined) throw invalidInput(`${out} holds ${occupant}: give a new or an empty folder`);
  const beside = path.join(path.dirname(target), `.${path.basename(target)}.${crypto.randomUUID()}`);
  writing(out, () => fs.mkdirSync(beside, { recursive: true }));
  const publish = () => {
    // Else a power failure may leave empty files in it.
    writing(out, () => syncFiles(beside));
    // A rename takes the place of an empty folder, not of a full one.
    const old = occupants(target).length > 0 ? `${beside}.old` : undefined;
    if (old) fs.renameSync(target, old);
    fs.renameSync(beside, target);
    if (old) fs.rmSync(old, { recursive: true });
  };
  return { beside, publish, discard: () => fs.rmSync(beside, { recursive: true, force: true }) };
}

function syncFiles(folder: string): void {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = fs.openSync(path.join(entry.parentPath, entry.name), 'r');
    try {
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
  }
}

function occupants(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR') throw invalidInput(`${folder} is a file: give a new or an empty folder`, error);
    throw error;
  }
}
