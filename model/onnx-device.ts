import * as fs from 'node:fs';
import * as path from 'node:path';
import * as ort from 'onnxruntime-node';
import type { Device } from '../foundation/device';
import { unsupported } from '../foundation/errors';
import { OnnxGraph } from './onnx';

/** Device on which sessions run. */
export type DeviceUsed = 'cpu' | 'cuda';

/**
 * Selects the device. The engine may fall back to the CPU silently, so CUDA counts only if it has
 * run a graph without that fallback.
 *
 * @throws HifiError UNSUPPORTED for `cuda` if it does not work on this machine
 */
export async function selectDevice(requested: Device): Promise<DeviceUsed> {
  ort.env.logLevel = 'fatal'; // Errors are thrown; the engine would also print them.
  if (requested === 'cpu') return 'cpu';
  try {
    await runOnCuda();
    return 'cuda';
  } catch (cause) {
    if (requested === 'auto') return 'cpu';
    throw unsupported(
      `device cuda does not work here: ${reasonOf(cause as Error)}; or use --device auto or cpu`,
      cause,
    );
  }
}

/**
 * CUDA part of onnxruntime. It is not in the npm package; the package's installer fetches it on
 * request.
 */
const CUDA_LIBRARY = 'libonnxruntime_providers_cuda.so';
const INSTALLER = 'node_modules/onnxruntime-node/script/install.js';

/** Returns true if the engine has its CUDA part. @param engine folder of onnxruntime-node */
export function hasCudaLibrary(engine: string): boolean {
  const files = fs.readdirSync(path.join(engine, 'bin'), { recursive: true, encoding: 'utf8' });
  return files.some((file) => path.basename(file) === CUDA_LIBRARY);
}

function reasonOf(cause: Error): string {
  if (!hasCudaLibrary(path.dirname(require.resolve('onnxruntime-node/package.json')))) {
    return `onnxruntime-node lacks ${CUDA_LIBRARY}: ONNXRUNTIME_NODE_INSTALL_CUDA=v12 node ${INSTALLER} fetches it`;
  }
  return `${cause.message.split('\n')[0]}; onnxruntime needs an NVIDIA driver, CUDA 12 and cuDNN 9`;
}

async function runOnCuda(): Promise<void> {
  const graph = new OnnxGraph('probe');
  const x = graph.input('x', 'float32', [2, 2]);
  graph.output('y', graph.node('MatMul', [x, x]), 'float32', [2, 2]);
  const session = await ort.InferenceSession.create(graph.toModel(), {
    executionProviders: ['cuda'],
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  });
  await session.run({ x: new ort.Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2]) });
  await session.release();
}
