import * as fs from 'node:fs';
import * as path from 'node:path';
import { z } from 'zod';
import type { EpochMetrics } from '../delta/training-options';
import { invalidInput } from '../foundation/errors';
import { isStaged } from '../foundation/output-path';
import { SafetensorsFile, writeSafetensors } from '../model/safetensors';
import type { TrainingState } from './program';

/** Where a run stands, besides its tensors. */
export interface Progress {
  /** Steps done. */
  step: number;
  /** Sum of the losses of the epoch's rows so far, and how many they are. */
  lossSum: number;
  lossRows: number;
  /** Seconds that the epoch has trained so far. */
  seconds: number;
  epochs: EpochMetrics[];
  /** The best epoch so far, from 1; 0 before the first has ended. */
  bestEpoch: number;
}

/** A training checkpoint: all that a run needs to go on as if it had never been cut. */
export interface SavedState {
  progress: Progress;
  training: TrainingState;
  /** The best epoch's numbers. // [P] */
  best: Float32Array;
}

const FILE = 'training.safetensors';
const TENSORS = ['parameters', 'firstMoment', 'secondMoment', 'best'] as const;

const progressSchema = z.object({
  step: z.int().min(0),
  lossSum: z.number(),
  lossRows: z.int().min(0),
  seconds: z.number(),
  epochs: z.array(z.any()),
  bestEpoch: z.int().min(0),
});

/** Removes what a process that was killed while it wrote a checkpoint has left. */
function sweep(folder: string): void {
  if (!fs.existsSync(folder)) return;
  for (const name of fs.readdirSync(folder)) {
    if (isStaged(name)) fs.rmSync(path.join(folder, name), { force: true });
  }
}

/** Writes the checkpoint into `folder`, whole or not at all, in the place of the one before. */
export function saveState(folder: string, run: string, { progress, training, best }: SavedState): void {
  fs.mkdirSync(folder, { recursive: true });
  sweep(folder);
  const tensors = { ...training, best };
  writeSafetensors(
    path.join(folder, FILE),
    TENSORS.map((name) => ({
      name,
      dtype: 'F32',
      shape: [tensors[name].length],
      bytes: () => new Uint8Array(tensors[name].buffer, tensors[name].byteOffset, tensors[name].byteLength),
    })),
    { run, progress: JSON.stringify(progress) },
  );
}

/**
 * Reads the checkpoint in `folder`; undefined where there is none.
 *
 * @param run what the checkpoint must be of: hash of model, data, mask and options
 * @param size numbers that are trained
 * @throws INVALID_INPUT where it is of another run or damaged
 */
export function loadState(folder: string, run: string, size: number): SavedState | undefined {
  sweep(folder);
  const file = path.join(folder, FILE);
  if (!fs.existsSync(file)) return undefined;
  const stored = SafetensorsFile.open(file);
  try {
    if (stored.metadata.run !== run) {
      throw invalidInput(
        `${file} is of another run: the model, the data, the mask or an option differs; start anew in another folder or with --overwrite`,
      );
    }
    const progress = progressSchema.safeParse(JSON.parse(stored.metadata.progress ?? 'null'));
    const whole = TENSORS.every((name) => stored.tensors.get(name)?.shape[0] === size);
    if (!progress.success || !whole) throw invalidInput(`${file} is damaged; start anew with --overwrite`);
    const [parameters, firstMoment, secondMoment, best] = TENSORS.map((name) => stored.float32(name));
    return { progress: progress.data as Progress, training: { parameters, firstMoment, secondMoment }, best };
  } finally {
    stored.close();
  }
}

/**
 * Removes the checkpoint. For the caller of a training, once its metrics are kept: until then the run, resumed, gives them
 * again.
 *
 * @param folder the `state/` of the run
 */
export function clearState(folder: string): void {
  sweep(folder);
  fs.rmSync(path.join(folder, FILE), { force: true });
}
