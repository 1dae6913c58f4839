import * as fs from 'node:fs';
import * as path from 'node:path';
import { lastLines, runCommand } from '../foundation/command';
import { cancelled, failed, HifiError } from '../foundation/errors';
import { type BindingPackage, bindingFile, bindingName, buildBinding, findPackage, linkBinding } from './binding';
import { isCached } from './cache';
import {
  CPU_WHEEL,
  CUDA_WHEEL,
  libraryName,
  libtensorflow,
  type SetUpProgress,
  type TensorFlowWheel,
} from './libtensorflow';
import { requireTools } from './tools';

export type { SetUpProgress };

export interface SetUpOptions {
  /** True to set up `@tensorflow/tfjs-node-gpu` with the CUDA build of TensorFlow as well. */
  gpu?: boolean;
  /** Receives a line for each step that takes a while; none if everything is set up already. */
  log?: (line: string) => void;
  onProgress?: (progress: SetUpProgress) => void;
  /** Ends the set-up when it aborts; unfinished files are removed. */
  signal?: AbortSignal;
}

/**
 * Sets up the native parts: libtensorflow and the binding of `@tensorflow/tfjs-node`.
 * onnxruntime-node's CPU library ships in its package. Idempotent: downloads and builds are cached
 * in the user's cache folder, so that a fresh `node_modules` takes only a moment.
 *
 * @throws HifiError FAILED naming what is missing and how to get it; CANCELLED when `signal` aborts
 */
export async function setUp({ gpu = false, log = () => {}, onProgress, signal }: SetUpOptions = {}): Promise<void> {
  const cpu = findPackage('@tensorflow/tfjs-node');
  if (cpu === undefined) throw failed('@tensorflow/tfjs-node is not installed: run npm ci');
  await setUpPackage(cpu, CPU_WHEEL, log, onProgress, signal);
  if (!gpu) return;
  const cuda = findPackage('@tensorflow/tfjs-node-gpu');
  if (cuda === undefined) {
    throw failed(
      `--gpu needs a package that is not installed: npm install --no-save --ignore-scripts ` +
        `@tensorflow/tfjs-node-gpu@${cpu.version}, then set up again (fetches ${Math.round(CUDA_WHEEL.bytes / 1e6)} MB)`,
    );
  }
  await setUpPackage(cuda, CUDA_WHEEL, log, onProgress, signal);
  log(`TensorFlow ${CUDA_WHEEL.version} with CUDA is set up; it needs an NVIDIA driver, CUDA 12 and cuDNN 9`);
}

/** Sets up one of the two packages with its wheel; see `setUp`. */
export async function setUpPackage(
  tfjs: BindingPackage,
  wheel: TensorFlowWheel,
  log: (line: string) => void,
  onProgress?: (progress: SetUpProgress) => void,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) throw cancelled();
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return ownInstaller(
      tfjs,
      failed(`no TensorFlow wheel is known for ${process.platform} ${process.arch}`),
      log,
      signal,
    );
  }
  const name = libraryName(wheel);
  if (!isCached(name) || !isCached(bindingName(tfjs, name))) await requireTools();
  let library: string;
  try {
    library = await libtensorflow(wheel, log, onProgress, signal);
  } catch (error) {
    if (signal?.aborted) throw cancelled();
    return ownInstaller(tfjs, HifiError.from(error), log, signal);
  }
  const binding = await buildBinding(tfjs, library, log, signal);
  if (!linkBinding(tfjs, library, binding)) return;
  log(`linked TensorFlow ${wheel.version} into ${path.relative(process.cwd(), tfjs.folder)}`);
  const reason = await loadError(tfjs);
  if (reason === undefined) return;
  fs.rmSync(bindingFile(tfjs), { force: true });
  throw failed(`TensorFlow's binding does not load: ${reason}; remove ${path.dirname(binding)} and set up again`);
}

/**
 * Runs the package's own installer if the wheel is unavailable: it downloads an older libtensorflow
 * and a prebuilt binding.
 */
async function ownInstaller(
  tfjs: BindingPackage,
  why: HifiError,
  log: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (fs.existsSync(bindingFile(tfjs)) && (await loadError(tfjs)) === undefined) return;
  log(`${why.message}; trying the installer of ${tfjs.name}`);
  const { status, output } = await runCommand(process.execPath, ['scripts/install.js'], {
    cwd: tfjs.folder,
    env: { PATH: `${path.join(tfjs.folder, '../../.bin')}${path.delimiter}${process.env.PATH}` },
    signal,
  });
  const reason =
    status === 0 ? await loadError(tfjs) : (lastLines(output, 200).find((line) => /Error: |ERR! /.test(line)) ?? '');
  if (reason === undefined) return;
  throw failed(
    `TensorFlow could not be set up. ${why.message}; the installer of ${tfjs.name}: ${reason.trim() || `status ${status}`}. ` +
      `pip must be able to download ${CPU_WHEEL.package}==${CPU_WHEEL.version} (a proxy: HTTPS_PROXY, a mirror: ` +
      'PIP_INDEX_URL, a folder of wheels: PIP_FIND_LINKS)',
  );
}

/** Loads the binding in its own process. @returns the reason of a failure, or undefined */
async function loadError(tfjs: BindingPackage): Promise<string | undefined> {
  const { status, output } = await runCommand(process.execPath, ['-e', 'require(process.argv[1])', bindingFile(tfjs)]);
  if (status === 0) return undefined;
  return lastLines(output, 400).find((line) => /Error:/.test(line)) ?? lastLines(output, 1)[0] ?? `status ${status}`;
}
