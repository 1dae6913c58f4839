import { failed, unsupported } from '../foundation/errors';
import type { Precision } from '../foundation/precision';
import { usableCores } from '../foundation/usable-cores';
import { bindingFile, findPackage } from './binding';

/**
 * Native binding of `@tensorflow/tfjs-node`: TensorFlow's C API, with tensors and graphs as
 * numbers. The package's own layer above it is not loaded: a graph does not need it (40 MB and 0.2
 * s less).
 */
export interface TensorFlow {
  readonly TF_Version: string;
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_ATTR_TYPE: number;
  /** Arithmetic of its matrix products, by the environment of the process. */
  readonly precision: Precision;
  isUsingGpuDevice(): boolean;
  createTensor(shape: number[], dtype: number, values: Float32Array | Int32Array): number;
  tensorDataSync(id: number): Float32Array | Int32Array;
  deleteTensor(id: number): void;
  getNumOfTensors(): number;
  executeOp(
    name: string,
    attributes: { name: string; type: number; value: number }[],
    inputs: number[],
    outputs: number,
  ): { id: number; shape: number[] }[];
  loadSavedModel(folder: string, tags: string): number;
  runSavedModel(id: number, inputs: number[], inputNames: string, outputNames: string): { id: number }[];
  deleteSavedModel(id: number): void;
}

/** Variable with the math mode of TensorFlow's oneDNN primitives, and its value for bfloat16. */
const MATH_MODE = 'TF_SET_ONEDNN_FPMATH_MODE';
const BF16 = 'BF16';

/**
 * Environment of a child that computes with TensorFlow, which reads it at the start of a process.
 *
 * oneDNN is on by default only on processors with AVX512_VNNI and the like. With it TensorFlow
 * takes large blocks from a pool of its own instead of malloc. Measured on `x·x + x` of 16 × 128 ×
 * 1536 numbers (2 cores, glibc 2.36):
 *
 * | allocator | ms | page faults | MB |
 * |---|---|---|---|
 * | pool | 1.1 | 2 | 370 |
 * | malloc with defaults | 1.4–1.8 | 500 | 490–550 |
 * | MALLOC_TRIM_THRESHOLD_ and MALLOC_TOP_PAD_ set | 16–20 | 6,148 | 350 |
 * | these two and MALLOC_MMAP_MAX_=0 | 1.2–1.5 | 2 | 460–490 |
 *
 * Setting either of the two turns glibc's own adaptation off, and every block over 128 KB is mapped
 * again. With the pool the MALLOC_ variables change nothing, so none is set.
 *
 * oneDNN's primitives may round the factors of a product to bfloat16 if the math mode says so.
 * TensorFlow runs `BatchMatMulV2` by such a primitive, but not every `MatMul`.
 *
 * @param threads threads that run operations; default: one for each of `usableCores`
 */
export function trainerEnvironment(
  threads: number = usableCores(),
  precision: Precision = 'float32',
): Record<string, string> {
  const mode = precision === 'bf16' ? BF16 : 'STRICT';
  return {
    TF_ENABLE_ONEDNN_OPTS: '1',
    // Errors only: TensorFlow's warnings are about instruction sets.
    TF_CPP_MIN_LOG_LEVEL: '2',
    // Parts of a batch run side by side (trainer/program.ts), each operation in one thread. An
    // operation on a part is too small to share, and its bits would depend on the threads.
    TF_NUM_INTEROP_THREADS: String(threads),
    TF_NUM_INTRAOP_THREADS: '1',
    OMP_NUM_THREADS: '1',
    [MATH_MODE]: mode,
    // What oneDNN itself reads.
    ONEDNN_DEFAULT_FPMATH_MODE: mode,
    // Allocates GPU memory as needed, not all of it.
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  };
}

/**
 * Loads TensorFlow. Called only in the trainer's child process, which has `trainerEnvironment`.
 *
 * @param device `cuda` loads `@tensorflow/tfjs-node-gpu`, which `hifi setup --gpu` sets up; `auto`
 *   loads it if it works, else the CPU's package
 * @throws HifiError FAILED if the native part is not set up; UNSUPPORTED if that of `cuda` is not
 */
export function loadTensorFlow(device: 'auto' | 'cpu' | 'cuda' = 'cpu'): TensorFlow {
  if (device !== 'auto') return load(device);
  try {
    return load('cuda');
  } catch {
    return load('cpu');
  }
}

const PACKAGES = { cpu: '@tensorflow/tfjs-node', cuda: '@tensorflow/tfjs-node-gpu' };

/** True if a process that loads TensorFlow for this device may take a GPU's memory. */
export const mayUseGpu = (device: 'auto' | 'cpu' | 'cuda' = 'auto'): boolean =>
  device !== 'cpu' && findPackage(PACKAGES.cuda) !== undefined;

function load(device: 'cpu' | 'cuda'): TensorFlow {
  const name = PACKAGES[device];
  try {
    const found = findPackage(name);
    if (!found) throw new Error(`${name} is not installed`);
    const precision: Precision = process.env[MATH_MODE] === BF16 ? 'bf16' : 'float32';
    return Object.assign(require(bindingFile(found)), { precision });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    if (device === 'cuda') throw unsupported(`TensorFlow is not set up (run hifi setup --gpu): ${reason}`, error);
    throw failed(`TensorFlow is not set up (run hifi setup): ${reason}`, error);
  }
}
