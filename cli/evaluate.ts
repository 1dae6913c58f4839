import type { Command } from 'commander';
import type { PrecisionRecall } from '../delta/class-scores';
import type { ErrorAnalysis } from '../delta/error-analysis';
import { follow } from '../foundation/follow';
import { evaluate } from '../trainer/training-engine';
import { addOmitTextsFlag, type Flags } from './flags';
import { grouped, metricText, printJson, table, writeLines } from './output';
import { inSession, show } from './session';
import { addTunedModelFlags, tunedModelRequest } from './tuned-model';

export function define(command: Command): void {
  addTunedModelFlags(command, true);
  addOmitTextsFlag(command, 'leave the texts of the worst rows out of --json');
  command.action(evaluateModel);
}

async function evaluateModel(flags: Flags): Promise<void> {
  const result = await inSession(async (session) => {
    const request = { ...(await tunedModelRequest(flags, true, session)), omitTexts: flags.omitTexts === true };
    return follow(evaluate(request, session.signal), (event) => show(session, event));
  });
  const rows = Object.entries({ ...result.metrics, loss: result.loss }).map(([name, value]) => [
    name,
    metricText(value),
  ]);
  writeLines([...table(rows, [1]), `on ${grouped(result.rows)} rows`, ...classLines(result.errorAnalysis)]);
  if (flags.json) await printJson(result);
}

/** Table of the classes with their means; empty without classes. */
function classLines({ classes, averages, unit }: ErrorAnalysis): string[] {
  if (!classes || !averages) return [];
  const line = (label: string, { precision, recall, f1 }: PrecisionRecall, support: number) => [
    label,
    ...[precision, recall, f1].map(metricText),
    grouped(support),
  ];
  const all = classes.reduce((sum, { support }) => sum + support, 0);
  const rows = [
    ['', 'precision', 'recall', 'f1', unit!],
    ...classes.map((each) => line(each.label, each, each.support)),
    ...Object.entries(averages).map(([name, scores]) => line(`${name} average`, scores, all)),
  ];
  return ['', ...table(rows, [1, 2, 3, 4])];
}
