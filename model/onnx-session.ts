import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as ort from 'onnxruntime-node';
import { failed } from '../foundation/errors';
import { type WeightsFile, writeWeights } from './onnx';
import type { DeviceUsed } from './onnx-device';

/**
 * Longest time for which a thread waits awake, in microseconds. Most operators follow sooner. A
 * thread that waits longer than another one needs to wake up would keep the core from other work.
 */
const SPIN_US = '100';

/** Engine of a session. */
export interface SessionSettings {
  device: DeviceUsed;
  /** Number of threads of an operator. */
  threads: number;
  /**
   * Whether the threads wait awake for the next operator, or the next run, for a short while: short
   * runs become shorter. Default: they sleep.
   */
  spins?: boolean;
}

/**
 * Creates a session of a graph. The engine reads the weights from a temporary file, which is
 * written one tensor at a time. So the model is never in memory twice, and its size has no limit.
 *
 * @throws HifiError any error of `build`; FAILED if the folder for temporary files is full, or if
 *   onnxruntime rejects the graph
 */
export async function openSession(
  build: (weights: WeightsFile) => Uint8Array,
  { device, threads, spins = false }: SessionSettings,
): Promise<ort.InferenceSession> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-graph-'));
  try {
    const model = writeWeights(folder, build);
    return await ort.InferenceSession.create(model, {
      executionProviders: device === 'cuda' ? ['cuda', 'cpu'] : ['cpu'],
      graphOptimizationLevel: 'all',
      executionMode: 'sequential',
      // Batches differ in shape: with a memory plan for each, the arena would grow with every
      // larger one.
      enableMemPattern: false,
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      extra: {
        session: {
          intra_op: spins ? { allow_spinning: '1', spin_duration_us: SPIN_US } : { allow_spinning: '0' },
          model_external_initializers_file_folder_path: folder,
        },
      },
    }).catch((cause: Error) => {
      throw failed(`onnxruntime rejects the model: ${cause.message.split('\n')[0]}`, cause);
    });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
