import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Command } from 'commander';
import { readMask, writeJson } from '../gateway/files';
import { checkFolder, inFolder } from '../gateway/out';
import { forgetResults } from '../gateway/place';
import { follow } from '../infra/follow';
import { train } from '../trainer/engine';
import type { EpochMetrics, TrainMetrics, TrainRequest } from '../trainer/options';
import { clearState } from '../trainer/state';
import { addDataFlags, addDevFlag, dataFlags } from './data-flags';
import { aPath } from './flag-values';
import {
  addEngineFlags,
  addJsonFlag,
  addModelFlags,
  addNeeded,
  addOutFlag,
  addRuleFlags,
  addTrainingFlags,
  type Flags,
  trainingFlags,
} from './flags';
import { bytesText, grouped, metricText, printJson, secondsText, table, tellLines } from './output';
import { DELTA_FOLDER } from './own-folders';
import { inSession, modelFolder, type Session, show } from './session';
import { checkOneStdin, spooled } from './stdin';

export function define(command: Command): void {
  addModelFlags(command);
  addNeeded(command, '--train <file>', 'the labelled rows to train on', aPath('file'));
  addDevFlag(command);
  addNeeded(command, '--mask <mask.json>', 'the heads to tune', aPath('file'));
  addOutFlag(command, 'folder for metrics.json and delta/', 'folder');
  addRuleFlags(command, true);
  addDataFlags(command, true);
  addTrainingFlags(command);
  addEngineFlags(command);
  addJsonFlag(command);
  command.action(trainHeads);
}

async function trainHeads(flags: Flags): Promise<void> {
  const out = flags.out as string;
  const options = trainingFlags(flags);
  const source = dataFlags(flags, true);
  const trainRows = source(flags.train as string);
  const devRows = flags.dev === undefined ? undefined : source(flags.dev as string);
  checkOneStdin(flags.train, flags.dev);
  const mask = readMask(flags.mask as string);
  const rules = { resume: flags.resume === true, overwrite: flags.overwrite === true };
  const folders = { delta: DELTA_FOLDER };
  checkFolder(out, rules, folders);
  const metrics = await inSession(async (session) => {
    const { signal } = session;
    const rows = { train: await spooled(trainRows, signal), dev: devRows && (await spooled(devRows, signal)) };
    const model = await modelFolder(flags, session);
    const request = { model, ...rows, mask, options, out, resume: rules.resume };
    return inFolder(out, rules, folders, () => trainInFolder(request, session));
  });
  const lines = [
    ...trainingSummary(metrics, path.join(out, 'delta')),
    path.join(out, 'metrics.json'),
    path.join(out, 'delta'),
  ];
  tellLines(lines);
  if (flags.json) await printJson(metrics);
}

/** Trains, and puts metrics.json beside the delta; then the checkpoint has served. */
async function trainInFolder(request: TrainRequest, session: Session): Promise<TrainMetrics> {
  const { out, resume } = request;
  const state = path.join(out, 'state');
  let begun = false;
  const metrics = await follow(train(request, session.signal), (event) => {
    // The engine has looked at the input and found it good: what an earlier command left is of no more use.
    if (!begun) {
      begun = true;
      forgetResults(out, 'metrics.json');
      if (!resume) clearState(state);
    }
    show(session, event);
    if (event.kind === 'epoch') session.progress.say(epochLine(event.epoch));
  });
  writeJson(path.join(out, 'metrics.json'), metrics);
  clearState(state);
  return metrics;
}

/** One epoch in a line. */
export function epochLine({ epoch, trainLoss, dev, seconds }: EpochMetrics): string {
  const metrics = Object.entries(dev).map(([name, value]) => `${name} ${metricText(value)}`);
  return `epoch ${epoch}: training loss ${metricText(trainLoss)}, dev ${metrics.join(', ')}, ${secondsText(seconds)}`;
}

/** Epochs, what was tuned and how big the delta is. */
export function trainingSummary(metrics: TrainMetrics, delta: string): string[] {
  const rows = metrics.epochs.map(({ epoch, trainLoss, dev, seconds }) => [
    `${epoch}${epoch === metrics.best.epoch ? ' *' : '  '}`,
    metricText(trainLoss),
    metricText(dev[metrics.metric]),
    secondsText(seconds),
  ]);
  return [
    ...table([['epoch  ', 'training loss', `dev ${metrics.metric}`, 'time'], ...rows], [0, 1, 2, 3]),
    `* the best, which the delta holds: dev ${metrics.metric} ${metricText(metrics.best.value)}`,
    `tuned: ${grouped(metrics.trainableParameters)} parameters of the base, ${grouped(metrics.taskHeadParameters)} of the task head`,
    `delta: ${bytesText(folderBytes(delta))}; most memory: ${bytesText(metrics.peakRssBytes)}; device: ${metrics.deviceUsed}`,
  ];
}

/** Bytes of the files of a folder. */
export function folderBytes(folder: string): number {
  return fs.readdirSync(folder).reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0);
}
