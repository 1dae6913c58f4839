import * as fs from 'node:fs';
import * as path from 'node:path';
import { TASK_NAMES, type TaskName } from '../data/tasks';
import { regularFileText } from '../foundation/regular-file';
import { readModelConfig } from '../model/config';
import { DELTA_INFO } from './delta';
import { type DeltaInfo, parseDeltaInfo } from './delta-info';
import type { TrainOptions } from './training-options';

/** Length and treatment of long texts in a training; a part is absent if it is unknown. */
export type TrainedLengths = Pick<Partial<TrainOptions>, 'maxLength' | 'longTexts' | 'stride'>;

/** Defaults for reading new rows, from a model's training. */
export interface TrainedAs {
  /** Task of the training files; undefined for other rows. */
  task?: TaskName;
  lengths: TrainedLengths;
}

/** Length and treatment of long texts in the training of a delta. */
export function trainedLengths({ options }: Pick<DeltaInfo, 'options'>): TrainedLengths {
  const { maxLength, longTexts, stride } = options as TrainedLengths;
  return { maxLength, ...(longTexts !== undefined && { longTexts }), ...(stride !== undefined && { stride }) };
}

/**
 * Defaults from a delta's training; empty if the delta is missing, which the engine reports better.
 *
 * @throws HifiError INVALID_INPUT for a damaged delta.json
 */
export function deltaTrainedAs(delta: string): TrainedAs {
  const file = path.join(delta, DELTA_INFO);
  if (!fs.existsSync(file)) return { lengths: {} };
  const info = parseDeltaInfo(regularFileText(file), file);
  return { task: knownTask(info.task), lengths: trainedLengths(info) };
}

/**
 * Defaults from the training of a merged checkpoint or an ONNX folder.
 *
 * @throws HifiError INVALID_INPUT if the folder is no model
 */
export const modelTrainedAs = (model: string): TrainedAs => ({
  task: knownTask(readModelConfig(model).raw.finetuning_task),
  lengths: {},
});

/** Returns a task that has its own file layout; undefined for any other text. */
function knownTask(task: unknown): TaskName | undefined {
  return TASK_NAMES.find((name) => name === task);
}
