import { failed } from '../foundation/errors';
import { usableCores } from '../foundation/usable-cores';
import { bindingFile, findPackage } from './binding';

/**
 * The native binding of `@tensorflow/tfjs-node`: TensorFlow's C API with tensors and graphs as numbers. The package's own layer
 * above it is not loaded: a graph needs none of it (40 MB and 0.2 s less).
 */
export interface TensorFlow {
  readonly TF_Version: string;
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_ATTR_TYPE: number;
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

/**
 * The environment of a child that computes with TensorFlow; all of it is read at the start of a process.
 *
 * oneDNN is on by default only on processors with AVX512_VNNI and the like; with it TensorFlow takes big blocks from a
 * pool of its own instead of from malloc. Measured (2 cores, glibc 2.36) on `x·x + x` of 16 × 128 × 1536 numbers, with
 * the page faults of each and the process's memory: with the pool 1.1 ms, 2, 370 MB; with malloc as it comes 1.4–1.8 ms,
 * 500, 490–550 MB; with MALLOC_TRIM_THRESHOLD_ and MALLOC_TOP_PAD_ set 16–20 ms, 6,148, 350 MB (setting either turns
 * glibc's own adaptation off, and every block over 128 KB is mapped anew), with MALLOC_MMAP_MAX_=0 as well 1.2–1.5 ms,
 * 2, 460–490 MB. With the pool the MALLOC_ variables change nothing, so none is set.
 *
 * @param threads threads of an operation, by default one for each of `usableCores`
 */
export function trainerEnvironment(threads: number = usableCores()): Record<string, string> {
  return {
    TF_ENABLE_ONEDNN_OPTS: '1',
    // Warnings of it are about instruction sets: errors only.
    TF_CPP_MIN_LOG_LEVEL: '2',
    TF_NUM_INTRAOP_THREADS: String(threads),
    // One operation of the graph after the other: each has all threads, and what waits holds no memory.
    TF_NUM_INTEROP_THREADS: '1',
    OMP_NUM_THREADS: String(threads),
    // Take of a card what is needed, not all of it.
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  };
}

/**
 * Loads TensorFlow. To be called in the trainer's child process alone, which `trainerEnvironment` was given to.
 *
 * @param device `cuda` takes `@tensorflow/tfjs-node-gpu`, which `hifi setup --gpu` sets up; `auto` takes that where it loads,
 *   else the CPU's
 * @throws HifiError FAILED when the native part is not set up
 */
export function loadTensorFlow(device: 'auto' | 'cpu' | 'cuda' = 'cpu'): TensorFlow {
  if (device !== 'auto') return load(device);
  try {
    return load('cuda');
  } catch {
    return load('cpu');
  }
}

function load(device: 'cpu' | 'cuda'): TensorFlow {
  const name = device === 'cuda' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
  try {
    const found = findPackage(name);
    if (!found) throw new Error(`${name} is not installed`);
    return require(bindingFile(found));
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    const command = device === 'cuda' ? 'hifi setup --gpu' : 'hifi setup';
    throw failed(`TensorFlow is not set up (run ${command}): ${reason}`, error);
  }
}
