import * as os from 'node:os';
import * as util from 'node:util';
import { failed } from '../errors';

/** The module `@tensorflow/tfjs-node`. */
export type TensorFlow = typeof import('@tensorflow/tfjs-node');

/**
 * How malloc is to behave in a child that computes with TensorFlow. glibc gives big blocks back to the kernel when they
 * are freed; the next operation's are then zeroed by it page by page. Kept instead, an addition of two tensors of
 * 16 × 128 × 1536 numbers takes 0.75 ms where it took 0.91, twelve of them 8.3 where it took 10.0 (2 cores, oneDNN off).
 * The three belong together: any one of the first two alone turns off glibc's own adaptation, so that every block over
 * 128 KB is mapped anew: 5.5 ms and 65 ms. (With oneDNN on, the default on processors with AVX512_VNNI or AMX, TensorFlow
 * keeps big blocks itself, and this changes nothing.)
 */
const MALLOC = {
  /** Freed memory at the end of the heap that is kept, in bytes. */
  MALLOC_TRIM_THRESHOLD_: String(4 * 2 ** 30),
  /** What is taken from the kernel beyond a request, in bytes. */
  MALLOC_TOP_PAD_: String(64 * 2 ** 20),
  /** Blocks that are mapped one by one: none. */
  MALLOC_MMAP_MAX_: '0',
};

/**
 * The environment of a child that computes with TensorFlow; all of it is read at the start of a process.
 *
 * @param threads threads of an operation, by default one a core
 */
export function trainerEnvironment(threads: number = os.availableParallelism()): Record<string, string> {
  return {
    ...MALLOC,
    // Warnings of it are about instruction sets: errors only.
    TF_CPP_MIN_LOG_LEVEL: '2',
    TF_NUM_INTRAOP_THREADS: String(threads),
    // JavaScript asks for one operation after another: there is nothing to run beside it.
    TF_NUM_INTEROP_THREADS: '1',
    OMP_NUM_THREADS: String(threads),
    // Take of a card what is needed, not all of it.
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  };
}

/**
 * Loads TensorFlow. To be called in the trainer's child process alone, which `trainerEnvironment` was given to.
 *
 * @param device `cuda` takes `@tensorflow/tfjs-node-gpu`, which `hifi setup --gpu` sets up
 * @throws HifiError FAILED when the native part is not set up or is not the one expected
 */
export function loadTensorFlow(device: 'cpu' | 'cuda' = 'cpu'): TensorFlow {
  restoreIsNullOrUndefined();
  let tf: TensorFlow;
  try {
    tf = require(device === 'cuda' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node');
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    const command = device === 'cuda' ? 'hifi setup --gpu' : 'hifi setup';
    throw failed(`TensorFlow is not set up (run ${command}): ${reason}`, error);
  }
  if (!('executeSingleOutput' in tf.backend())) {
    throw failed(`TensorFlow's backend is "${tf.getBackend()}", not the native one: run hifi setup`);
  }
  return tf;
}

/** tfjs-node 4.22 calls `util.isNullOrUndefined`, which Node 23 removed. */
function restoreIsNullOrUndefined(): void {
  const old: { isNullOrUndefined?: (value: unknown) => boolean } = util;
  old.isNullOrUndefined ??= (value) => value === null || value === undefined;
}
