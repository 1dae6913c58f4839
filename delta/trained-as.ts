import * as fs from 'node:fs';
import * as path from 'node:path';
import { TASK_NAMES, type TaskName } from '../data/tasks';
import { regularFileText } from '../foundation/regular-file';
import { readModelConfig } from '../model/config';
import { DELTA_INFO } from './delta';
import { parseDeltaInfo } from './delta-info';

/** What new rows are read by where nobody says otherwise. */
export interface TrainedAs {
  /** The task whose files the training rows were; undefined for other rows. */
  task?: TaskName;
  /** Tokens that rows were cut at; undefined where it is not known. */
  maxLength?: number;
}

/**
 * How a delta was trained; nothing where it is not there, which the engine tells better.
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
 * How a merged checkpoint or an ONNX folder was trained.
 *
 * @throws HifiError INVALID_INPUT for a folder that is no model
 */
export const modelTrainedAs = (model: string): TrainedAs => ({
  task: knownTask(readModelConfig(model).raw.finetuning_task),
});

/** A task that has a file layout of its own; undefined for any other word. */
function knownTask(task: unknown): TaskName | undefined {
  return TASK_NAMES.find((name) => name === task);
}
