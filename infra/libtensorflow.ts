import * as fs from 'node:fs';
import * as path from 'node:path';
import { downloadWheel, unpackZip, type Wheel } from '../foundation/wheel';
import { cached } from './cache';

/**
 * Official TensorFlow wheel from which libtensorflow is taken. One wheel serves every Python: only
 * its files are read.
 */
export type TensorFlowWheel = Wheel;

/** Options of pip: the wheel's platform, for any Python. The wheel is too big for pip's cache. */
const PIP_OPTIONS = [
  '--no-cache-dir',
  ...['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'],
  ...['--platform', 'manylinux_2_17_x86_64', '--platform', 'manylinux2014_x86_64'],
];

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

/** Files of the wheel that are unpacked: two libraries and the C headers, of 20,000 files. */
const NEEDED: [string, string][] = [
  ['tensorflow/(libtensorflow_(?:cc|framework)\\.so\\.2)', 'lib/\\1'],
  ['tensorflow/include/((?:tensorflow/c|tensorflow/core/platform|tsl/platform|xla/tsl)/.*\\.h)', 'include/\\1'],
];

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
    const onBytes = (done: number) => onProgress?.({ stage: 'download', done, total: wheel.bytes, unit: 'bytes' });
    const file = await downloadWheel({ ...wheel, pipOptions: PIP_OPTIONS }, download, { onBytes, signal });
    log('unpacking libtensorflow');
    await unpackZip(file, folder, NEEDED, signal);
    fs.rmSync(download, { recursive: true });
    // The wheel's C++ library also contains the C interface.
    fs.symlinkSync('libtensorflow_cc.so.2', path.join(folder, 'lib/libtensorflow.so'));
    fs.symlinkSync('libtensorflow_framework.so.2', path.join(folder, 'lib/libtensorflow_framework.so'));
  });
}
