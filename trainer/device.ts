import type { Device } from '../foundation/device';
import { unsupported } from '../foundation/errors';
import { deviceOf, type TensorFlow } from './session';

/** Checks the requested device. @throws HifiError UNSUPPORTED for CUDA without a GPU */
export function checkDevice(tf: TensorFlow, device: Device): void {
  if (device === 'cuda' && deviceOf(tf) !== 'cuda') {
    throw unsupported('device cuda: TensorFlow finds no GPU; `hifi doctor` shows what is missing, or use --device cpu');
  }
}
