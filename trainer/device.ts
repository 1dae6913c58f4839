import type { Device } from '../foundation/device';
import { failed } from '../foundation/errors';
import { deviceOf, type TensorFlow } from './session';

/** Checks the requested device. @throws HifiError FAILED for CUDA without a GPU */
export function checkDevice(tf: TensorFlow, device: Device): void {
  if (device === 'cuda' && deviceOf(tf) !== 'cuda') {
    throw failed('device cuda: TensorFlow finds no GPU; `hifi doctor` shows what is missing, or use --device cpu');
  }
}
