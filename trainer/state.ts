import * as fs from 'node:fs';
import * as path from 'node:path';
import { z } from 'zod';
import type { EpochMetrics, RateChoice } from '../delta/training-options';
import { invalidInput } from '../foundation/errors';
import { isStaged } from '../foundation/output-path';
import { SafetensorsFile, writeSafetensors } from '../model/safetensors';
import type { TrainingState } from './program';

/** Progress of a run, stored with its tensors. */
export interface Progress {
  /** Finished steps. */
  step: number;
  /** Sum of the losses of the epoch's rows so far, and the number of these rows. */
  lossSum: number;
  lossRows: number;
  /** Training time of the epoch so far, in seconds. */
  seconds: number;
  /** Learning rate that `auto` chose. */
  rate?: RateChoice;
  epochs: EpochMetrics[];
  /** Best epoch so far, from 1; 0 before the first has ended. */
  bestEpoch: number;
}

/** Training checkpoint: everything that a run needs to resume with identical results. */
export interface SavedState {
  progress: Progress;
  training: TrainingState;
  /** Parameters of the best epoch. // [P] */
  best: Float32Array;
  /** Logits of the dev rows in the best epoch, as in `Logits`; none before the first has ended. */
  bestLogits: Float32Array;
}

/** Name of the checkpoint's file. */
export const STATE_FILE = 'training.safetensors';
/** Tensors with a number per parameter. // [P] */
const PARAMETERS = ['parameters', 'firstMoment', 'secondMoment', 'best'] as const;
const LOGITS = 'bestLogits';

const progressSchema = z.object({
  step: z.int().min(0),
  lossSum: z.number(),
  lossRows: z.int().min(0),
  seconds: z.number(),
  rate: z.any().optional(),
  epochs: z.array(z.any()),
  bestEpoch: z.int().min(0),
});

/** Removes partial files of a process that was killed while it wrote a checkpoint. */
function sweep(folder: string): void {
  if (!fs.existsSync(folder)) return;
  for (const name of fs.readdirSync(folder)) {
    if (isStaged(name)) fs.rmSync(path.join(folder, name), { force: true });
  }
}

/** Replaces the checkpoint in `folder`, atomically. */
export function saveState(folder: string, run: string, { progress, training, best, bestLogits }: SavedState): void {
  fs.mkdirSync(folder, { recursive: true });
  sweep(folder);
  const tensors = { ...training, best, [LOGITS]: bestLogits };
  writeSafetensors(
    path.join(folder, STATE_FILE),
    ([...PARAMETERS, LOGITS] as const).map((name) => ({
      name,
      dtype: 'F32',
      shape: [tensors[name].length],
      bytes: () => new Uint8Array(tensors[name].buffer, tensors[name].byteOffset, tensors[name].byteLength),
    })),
    { run, progress: JSON.stringify(progress) },
  );
}

/**
 * Reads the checkpoint in `folder`; undefined if there is none.
 *
 * @param run identity that the checkpoint must have: hash of model, data, mask and options
 * @param size number of trainable parameters
 * @throws HifiError INVALID_INPUT if the checkpoint is damaged or belongs to another run
 */
export function loadState(folder: string, run: string, size: number): SavedState | undefined {
  sweep(folder);
  const file = path.join(folder, STATE_FILE);
  if (!fs.existsSync(file)) return undefined;
  const stored = SafetensorsFile.open(file);
  try {
    if (stored.metadata.run !== run) {
      throw invalidInput(
        `${file} belongs to another run: the model, the data, the mask or an option differs; start in another folder, or start over with --overwrite`,
      );
    }
    const progress = progressSchema.safeParse(JSON.parse(stored.metadata.progress ?? 'null'));
    const whole = PARAMETERS.every((name) => stored.tensors.get(name)?.shape[0] === size) && stored.tensors.has(LOGITS);
    if (!progress.success || !whole) throw invalidInput(`${file} is damaged; start over with --overwrite`);
    const [parameters, firstMoment, secondMoment, best] = PARAMETERS.map((name) => stored.float32(name));
    const training = { parameters, firstMoment, secondMoment };
    return { progress: progress.data as Progress, training, best, bestLogits: stored.float32(LOGITS) };
  } finally {
    stored.close();
  }
}

/** Finished steps of the checkpoint in a file; undefined if there is none or it is damaged. */
export function savedStep(file: string): number | undefined {
  if (!fs.existsSync(file)) return undefined;
  try {
    const stored = SafetensorsFile.open(file);
    try {
      return progressSchema.parse(JSON.parse(stored.metadata.progress ?? 'null')).step;
    } finally {
      stored.close();
    }
  } catch {
    return undefined;
  }
}

/**
 * Removes the checkpoint. The caller of a training does this after it has stored the metrics: until
 * then the run, resumed, returns them again.
 *
 * @param folder the run's `state/`
 */
export function clearState(folder: string): void {
  sweep(folder);
  fs.rmSync(path.join(folder, STATE_FILE), { force: true });
}
