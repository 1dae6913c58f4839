import { modelIdentity, optionsIdentity, rowsIdentity } from '../delta/identity';
import type { TrainRequest } from '../delta/training-options';
import { canonicalHash } from '../foundation/canonical-json';
import type { Checkpoint } from '../model/checkpoint';
import type { TrainingInputs } from './inputs';

/** Hash that a training checkpoint must match: everything that the trained parameters depend on. */
export function identityOf(checkpoint: Checkpoint, inputs: TrainingInputs, request: TrainRequest): string {
  const { train, dev, mask, further, options } = request;
  return canonicalHash({
    model: modelIdentity(checkpoint.folder, checkpoint.sha256),
    train: rowsIdentity(train, inputs.train.dataset.sha256),
    dev: dev ? rowsIdentity(dev, inputs.dev.dataset.sha256) : null,
    mismatched: inputs.mismatched?.dataset.sha256 ?? null,
    mask,
    further,
    options: optionsIdentity(options),
  });
}
