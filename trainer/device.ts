import { failed } from '../errors';
import type { Ops } from './ops';
import type { Device } from './options';

/** @throws FAILED where CUDA was asked for and there is none */
export function checkDevice(ops: Ops, device: Device): void {
  if (device === 'cuda' && ops.device !== 'cuda') {
    throw failed(
      'device cuda: TensorFlow sees no GPU here; `hifi doctor` shows what is missing, --device cpu does without',
    );
  }
}
