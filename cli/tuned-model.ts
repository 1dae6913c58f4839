import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Command } from 'commander';
import { TASK_NAMES, type TaskName } from '../data/tasks';
import { readModelConfig } from '../model/config';
import { DELTA_INFO } from '../results/delta';
import { type DeltaInfo, parseDeltaInfo } from '../results/delta-info';
import type { EvaluateRequest } from '../results/inference';
import { TRAIN_DEFAULTS } from '../trainer/options';
import { addDataFlags, dataFlags } from './data-flags';
import { aPath } from './flag-values';
import {
  add,
  addEngineFlags,
  addInferenceFlags,
  addJsonFlag,
  addModelFlags,
  addNeeded,
  engineFlags,
  type Flags,
} from './flags';
import { modelFolder, type Session } from './session';
import { spooled } from './stdin';

/** The flags of the commands that ask a tuned model: `evaluate` and `predict`. */
export function addTunedModelFlags(command: Command, labels: boolean): void {
  addModelFlags(
    command,
    'folder of the base model, or its name on the Hub, or a merged checkpoint, or an exported ONNX folder',
  );
  add(command, '--delta <folder>', "a training's delta, to be put on the base", aPath('folder'));
  const what = labels ? 'the labelled rows, - for stdin' : 'the rows, - for stdin; labels are not needed';
  addNeeded(command, '--data <file>', what, aPath('file'));
  addDataFlags(command, labels);
  addInferenceFlags(command);
  addEngineFlags(command);
  addJsonFlag(command);
}

/** The request that they make. What is not said is as the delta was trained: its task, its length. */
export async function tunedModelRequest(flags: Flags, labels: boolean, session: Session): Promise<EvaluateRequest> {
  const delta = flags.delta as string | undefined;
  const trained = delta === undefined ? undefined : deltaInfo(delta);
  const open = delta === undefined && flags.task === undefined && flags.textColumns === undefined;
  // A merged checkpoint says itself which task it is of: then the model is looked at before the data flags.
  const model = open ? await modelFolder(flags, session) : undefined;
  const task = model === undefined ? trained?.task : readModelConfig(model).raw.finetuning_task;
  const source = dataFlags(flags, labels, knownTask(task))(flags.data as string);
  const data = await spooled(source, session.signal);
  const maxLength = (flags.maxLength as number | undefined) ?? trained?.options.maxLength ?? TRAIN_DEFAULTS.maxLength;
  const options = { batchSize: flags.batchSize as number, maxLength, ...engineFlags(flags) };
  return { model: model ?? (await modelFolder(flags, session)), ...(delta !== undefined && { delta }), data, options };
}

/** What is told of a delta; undefined where it is not there, which the engine tells better. */
function deltaInfo(folder: string): DeltaInfo | undefined {
  const file = path.join(folder, DELTA_INFO);
  return fs.existsSync(file) ? parseDeltaInfo(fs.readFileSync(file, 'utf8'), file) : undefined;
}

/** A task that has a file layout of its own; undefined for any other word. */
function knownTask(task: unknown): TaskName | undefined {
  return TASK_NAMES.find((name) => name === task);
}
