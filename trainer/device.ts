import type { Device } from '../foundation/device';
import { failed } from '../foundation/errors';
import { deviceOf, type TensorFlow } from './session';

/** @throws FAILED where CUDA was asked for and there is none */
export function checkDevice(tf: TensorFlow, device: Device): void {
  if (device === 'cuda' && deviceOf(tf) !== 'cuda') {
    throw failed(
      'device cuda: TensorFlow sees no GPU here; `hifi doctor` shows what is missing, --device cpu does without',
    );
  }
}
