import * as fs from 'node:fs';
import type { Command } from 'commander';
import type { EvaluateRequest } from '../delta/inference-options';
import { deltaTrainedAs, modelTrainedAs } from '../delta/trained-as';
import { TRAIN_DEFAULTS } from '../delta/training-options';
import { invalidInput } from '../foundation/errors';
import { type ServiceRequest, taskOf } from '../inference/service-predictions';
import { hostPort } from '../infra/grpc/targets';
import { addressOf } from './addresses';
import { addDataFlags, addRowsFlag, dataFlags } from './data-flags';
import { aPath } from './flag-values';
import {
  add,
  addEngineFlags,
  addInferenceFlags,
  addModelFlags,
  engineFlags,
  type Flags,
  longTextFlags,
  precisionFlag,
} from './flags';
import { credentialsOf, remoteModel } from './gateway-flags';
import { addJsonFlag } from './output-flags';
import { modelFolder, type Session } from './session';
import { readable } from './stdin';

/** Adds the flags of the commands that run a tuned model: `evaluate` and `predict`. */
export function addTunedModelFlags(command: Command, labels: boolean): void {
  addModelFlags(
    command,
    'folder of the base model, or its name on the Hub, or a merged checkpoint, or an exported ONNX folder',
  );
  add(command, '--delta <folder>', "a training's delta, to apply to the base", aPath('folder'));
  addInputFlags(command, labels);
}

/** Adds the flags for the rows of a tuned model, and how it runs. */
export function addInputFlags(command: Command, labels: boolean): void {
  const what = labels ? 'labelled rows, - for stdin' : 'rows, - for stdin; labels are not needed';
  addRowsFlag(command, '--data', what);
  addDataFlags(command, labels);
  addInferenceFlags(command);
  addEngineFlags(command);
  addJsonFlag(command);
}

/** Flags that say how a local engine computes, with the values that they have if not given. */
const LOCAL = {
  offline: undefined,
  longTexts: undefined,
  stride: undefined,
  threads: undefined,
  device: 'auto',
  precision: 'float32',
};

/**
 * Builds the request of `predict` to a running service, which chooses how it computes.
 *
 * @throws HifiError INVALID_INPUT for a flag of local engines
 */
export async function serviceRequest(flags: Flags, session: Session): Promise<ServiceRequest> {
  const [local] = Object.entries(LOCAL).find(([name, initial]) => flags[name] !== initial) ?? [];
  if (local !== undefined) {
    const flag = `--${local.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`;
    throw invalidInput(`${flag} excludes --analyzer: the service chooses how it computes`);
  }
  const model = remoteModel(flags, '--analyzer');
  const delta = flags.delta as string | undefined;
  const source = dataFlags(flags, false, taskOf(model, delta))(flags.data as string[]);
  return {
    analyzer: hostPort('--analyzer', flags.analyzer as string, addressOf('analyzer')),
    credentials: credentialsOf(flags),
    model,
    ...(delta !== undefined && { delta }),
    data: await readable(source, session.signal),
    ...(flags.maxLength !== undefined && { maxLength: flags.maxLength as number }),
    batchSize: flags.batchSize as number,
  };
}

/**
 * Builds the request of these commands. Absent flags have the values of the delta's training: its
 * task, its length.
 */
export async function tunedModelRequest(flags: Flags, labels: boolean, session: Session): Promise<EvaluateRequest> {
  const delta = flags.delta as string | undefined;
  if (delta !== undefined && !fs.existsSync(delta)) {
    const registered = /[@:]/.test(delta) ? '; for a registered delta give predict --analyzer' : '';
    throw invalidInput(`${delta}: no such folder${registered}`);
  }
  const trained = delta === undefined ? undefined : deltaTrainedAs(delta);
  const open = delta === undefined && flags.task === undefined && flags.textColumns === undefined;
  // A merged checkpoint has its own task, so the model is read before the data flags.
  const model = open ? await modelFolder(flags, session) : undefined;
  const task = model === undefined ? trained?.task : modelTrainedAs(model).task;
  const source = dataFlags(flags, labels, task)(flags.data as string[]);
  const data = await readable(source, session.signal);
  const maxLength = (flags.maxLength as number | undefined) ?? trained?.lengths.maxLength ?? TRAIN_DEFAULTS.maxLength;
  const lengths = { ...trained?.lengths, ...longTextFlags(flags), maxLength };
  const options = { batchSize: flags.batchSize as number, ...lengths, ...engineFlags(flags), ...precisionFlag(flags) };
  return { model: model ?? (await modelFolder(flags, session)), ...(delta !== undefined && { delta }), data, options };
}
