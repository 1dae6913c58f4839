import * as path from 'node:path';
import type { Command } from 'commander';
import type { EpochMetrics, RateChoice, TrainMetrics } from '../delta/training-options';
import { follow } from '../foundation/follow';
import { readMask } from '../job/files';
import { trainInFolder } from '../job/in-folder';
import { checkFolder, folderBytes } from '../job/out';
import { TRAINING_RESULTS } from '../job/own-folders';
import { addDataFlags, addDevFlag, addRowsFlag, dataFlags } from './data-flags';
import { aPath } from './flag-values';
import { addEngineFlags, addModelFlags, addNeeded, addTrainingFlags, type Flags, trainingFlags } from './flags';
import { bytesText, grouped, metricText, printJson, secondsText, table, writeLines } from './output';
import { addJsonFlag, addOutFlag, addRuleFlags } from './output-flags';
import { inSession, modelFolder, show } from './session';
import { checkOneStdin, readable } from './stdin';

export function define(command: Command): void {
  addModelFlags(command);
  addRowsFlag(command, '--train', 'labelled rows to train on');
  addDevFlag(command);
  addNeeded(command, '--mask <mask.json>', 'heads to tune', aPath('file'));
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
  const trainRows = source(flags.train as string[]);
  const devRows = flags.dev === undefined ? undefined : source(flags.dev as string);
  checkOneStdin(['--train', flags.train], ['--dev', flags.dev]);
  const mask = readMask(flags.mask as string);
  const rules = { resume: flags.resume === true, overwrite: flags.overwrite === true };
  checkFolder(out, rules, TRAINING_RESULTS);
  const metrics = await inSession(async (session) => {
    const { signal } = session;
    const rows = {
      train: await readable(trainRows, signal),
      dev: devRows && (await readable(devRows, signal)),
    };
    const model = await modelFolder(flags, session);
    const request = { model, ...rows, mask, options, out, resume: rules.resume };
    return follow(trainInFolder(request, rules, signal), (event) => {
      show(session, event);
      if (event.kind === 'rate') session.progress.say(rateLine(event.rate));
      if (event.kind === 'epoch') session.progress.say(epochLine(event.epoch));
    });
  });
  const lines = [
    ...trainingSummary(metrics, path.join(out, 'delta')),
    path.join(out, 'metrics.json'),
    path.join(out, 'delta'),
  ];
  writeLines(lines);
  if (flags.json) await printJson(metrics);
}

/** Formats the choice of a learning rate as one line. */
export const rateLine = ({ lr, reason, tried, seconds }: RateChoice): string =>
  `learning rate ${lr}, ${reason}${tried.length > 0 ? ` (${tried.length} steps, ${secondsText(seconds)})` : ''}`;

/** Formats an epoch as one line. */
export function epochLine({ epoch, trainLoss, dev, seconds }: EpochMetrics): string {
  const metrics = Object.entries(dev).map(([name, value]) => `${name} ${metricText(value)}`);
  return `epoch ${epoch}: training loss ${metricText(trainLoss)}, dev ${metrics.join(', ')}, ${secondsText(seconds)}`;
}

/** Summary of a training: epochs, tuned parameters and size of the delta. */
export function trainingSummary(metrics: TrainMetrics, delta: string): string[] {
  const rows = metrics.epochs.map(({ epoch, trainLoss, dev, seconds }) => [
    `${epoch}${epoch === metrics.best.epoch ? ' *' : '  '}`,
    metricText(trainLoss),
    metricText(dev[metrics.metric]),
    secondsText(seconds),
  ]);
  return [
    ...(metrics.learningRate ? [rateLine(metrics.learningRate)] : []),
    ...table([['epoch  ', 'training loss', `dev ${metrics.metric}`, 'time'], ...rows], [0, 1, 2, 3]),
    `* the best, which the delta holds: dev ${metrics.metric} ${metricText(metrics.best.value)}`,
    `tuned: ${grouped(metrics.trainableParameters)} parameters of the base, ${grouped(metrics.taskHeadParameters)} of the task head`,
    `delta: ${bytesText(folderBytes(delta))}; peak memory: ${bytesText(metrics.peakRssBytes)}; device: ${metrics.deviceUsed}`,
  ];
}
