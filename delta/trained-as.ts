import * as fs from 'node:fs';
import * as path from 'node:path';
import { TASK_NAMES, type TaskName } from '../data/tasks';
import { regularFileText } from '../foundation/regular-file';
import { readModelConfig } from '../model/config';
import { DELTA_INFO } from './delta';
import { parseDeltaInfo } from './delta-info';

/** Defaults for reading new rows, from a model's training. */
export interface TrainedAs {
  /** Task of the training files; undefined for other rows. */
  task?: TaskName;
  /** Number of tokens to which rows were truncated; undefined if unknown. */
  maxLength?: number;
}

/**
 * Defaults from a delta's training; empty if the delta is missing, which the engine reports better.
 *
 * @throws HifiError INVALID_INPUT for a damaged delta.json
 */
export function deltaTrainedAs(delta: string): TrainedAs {
  const file = path.join(delta, DELTA_INFO);
  if (!fs.existsSync(file)) return {};
  const { task, options } = parseDeltaInfo(regularFileText(file), file);
  return { task: knownTask(task), maxLength: options.maxLength };
}

/**
 * Defaults from the training of a merged checkpoint or an ONNX folder.
 *
 * @throws HifiError INVALID_INPUT if the folder is no model
 */
export const modelTrainedAs = (model: string): TrainedAs => ({
  task: knownTask(readModelConfig(model).raw.finetuning_task),
});

/** Returns a task that has its own file layout; undefined for any other text. */
function knownTask(task: unknown): TaskName | undefined {
  return TASK_NAMES.find((name) => name === task);
}
