import * as path from 'node:path';
import type { Command } from 'commander';
import { reachedReference } from '../compare/budget-notes';
import { compare } from '../compare/comparison';
import { checkComparisonFolder } from '../compare/comparison-folder';
import { pairedAnswers } from '../compare/predictions';
import type { CompareEvent } from '../compare/request';
import { writeResults } from '../compare/results';
import type { RunPlace } from '../compare/run-place';
import { type ComparisonResults, summarise } from '../compare/summary';
import { columnsOf, notesOf } from '../compare/tables';
import type { DataSource } from '../data/dataset';
import { follow } from '../foundation/follow';
import { addCompareFlags, compareFlags } from './compare-flags';
import { addDataFlags, addRowsFlag, dataFlags } from './data-flags';
import { paths } from './flag-values';
import { addEngineFlags, addModelFlags, type Flags } from './flags';
import { addGatewayFlags, gatewayClient, remoteModel } from './gateway-flags';
import { metricText, printJson, secondsText, table, writeLines } from './output';
import { addJsonFlag, addOutFlag } from './output-flags';
import { inSession, modelFolder, requestedModel, type Session, show } from './session';
import { checkOneStdin, readable } from './stdin';

export function define(command: Command): void {
  addModelFlags(command);
  const drawn = 'the labelled rows that training, dev and test rows are drawn from';
  addRowsFlag(command, '--train', drawn);
  const tested = 'labelled rows for the test, added to all remaining rows of --train (repeatable)';
  command.option('--test <file>', tested, paths('file'), []);
  const out = 'folder for all results; resumes a comparison with the same settings';
  addOutFlag(command, out, 'folder');
  addDataFlags(command, true);
  addCompareFlags(command);
  addEngineFlags(command);
  addGatewayFlags(command);
  addJsonFlag(command);
  command.action(compareStrategies);
}

async function compareStrategies(flags: Flags): Promise<void> {
  const { reference, ...options } = compareFlags(flags);
  const out = flags.out as string;
  checkComparisonFolder(out);
  const source = dataFlags(flags, true);
  checkOneStdin(['--train', flags.train], ...(flags.test as string[]).map((file) => ['--test', file] as const));
  const testRows = (flags.test as string[]).map(source);
  const trainRows = source(flags.train as string[]);
  const compared = await inSession(async (session) => {
    const train = await readable(trainRows, session.signal);
    const test: DataSource[] = [];
    for (const rows of testRows) test.push(await readable(rows, session.signal));
    const model = await modelFolder(flags, session);
    return placed(flags, session, async (place) => {
      const events = compare({ ...options, model, train, test, out, place }, session.signal);
      const shown = (event: CompareEvent) => showEvent(session, event, options.training.epochs);
      return { ...(await follow(events, shown)), train, test };
    });
  });
  const { settings, records, failed, model: size, budget, train, test } = compared;
  const used = budget ? reachedReference(compared, budget) : reference;
  const summary = summarise(settings, records, used, failed);
  const answers = pairedAnswers(out, summary.standings, summary.seeds);
  const results = { ...summary, ...(answers.length > 0 && { answers }), ...(budget && { budget }) };
  const asked = { ...requestedModel(flags), train, test, ...options.engine };
  const files = writeResults(out, { results, model: size, asked }).map((name) => path.join(out, name));
  writeLines(['', ...standingsTable(results, widthOf(process.stderr)), '', ...files]);
  if (flags.json) await printJson(results);
}

/** Compares with the runs at `--gateway`, or here. If the comparison ends early, so do its jobs. */
async function placed<T>(flags: Flags, session: Session, work: (place?: RunPlace) => Promise<T>): Promise<T> {
  if (flags.gateway === undefined) return work();
  const { GatewayRuns } = require('./remote-comparison') as typeof import('./remote-comparison');
  const gateway = gatewayClient(flags);
  const runs = new GatewayRuns(gateway, remoteModel(flags), flags.out as string, session);
  try {
    return await work(runs);
  } catch (error) {
    await runs.cancel();
    throw error;
  } finally {
    gateway.close();
  }
}

/** @param allEpochs epochs of a whole run */
function showEvent(session: Session, event: CompareEvent, allEpochs: number): void {
  show(session, event);
  if (event.kind === 'tested') {
    const { contestant, lr, metric, test, seconds } = event.record;
    session.progress.say(
      `${contestant}: best learning rate ${lr}, test ${metric} ${metricText(test!.metrics[metric])}, ${secondsText(seconds.test)}`,
    );
  }
  if (event.kind === 'rung') {
    const { epochs, kept, dropped, noTime, notReached } = event.rung;
    const counts = `${kept.length} kept, ${dropped.length} dropped, ${noTime.length} without time for a whole run, ${notReached.length} not reached`;
    session.progress.say(`rung of ${epochs} epoch${epochs === 1 ? '' : 's'}: ${counts}`);
  }
  if (event.kind !== 'run') return;
  const { record, epochs, stored, done, total, remainingSeconds } = event;
  const { contestant, seed, lr, dev, test, metric, failure, seconds } = record;
  const parts = [
    `run ${done}${total === null ? '' : `/${total}`}  ${contestant}, seed ${seed}${lr === null ? '' : `, learning rate ${lr}`}${epochs === undefined ? '' : `, ${epochs} of ${allEpochs} epochs`}:`,
    dev === null ? `failed (${failure})` : `dev ${metric} ${metricText(dev.value)}`,
    ...(test ? [`test ${metricText(test.metrics[metric])}`] : []),
    stored ? 'stored' : secondsText(seconds.run + seconds.test),
    ...(remainingSeconds !== null && total !== null && done < total
      ? [`about ${secondsText(remainingSeconds)} left`]
      : []),
  ];
  session.progress.say(`${parts[0]} ${parts.slice(1).join(', ')}`);
}

/** Width of a terminal in columns; unlimited for a file. */
const widthOf = (stream: NodeJS.WriteStream) => (stream.isTTY ? stream.columns : Number.POSITIVE_INFINITY);

/** Table of the standings; if it would not fit, without the least important columns. */
function standingsTable(results: ComparisonResults, width: number): string[] {
  const columns = columnsOf(results);
  for (;;) {
    const rows = [
      columns.map(({ head }) => head),
      ...results.standings.map((one) => columns.map(({ cell }) => cell(one))),
    ];
    const lines = table(
      rows,
      [...columns.keys()].filter((i) => columns[i].right),
    );
    const last = Math.max(...columns.map(({ rank }) => rank));
    if (last === 0 || Math.max(...lines.map((line) => line.length)) <= width)
      return [...lines, '', ...notesOf(results)];
    for (let i = columns.length - 1; i >= 0; i--) if (columns[i].rank === last) columns.splice(i, 1);
  }
}
