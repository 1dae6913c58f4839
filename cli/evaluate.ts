import type { Command } from 'commander';
import { follow } from '../foundation/follow';
import { evaluate } from '../trainer/training-engine';
import type { Flags } from './flags';
import { grouped, metricText, printJson, table, writeLines } from './output';
import { inSession, show } from './session';
import { addTunedModelFlags, tunedModelRequest } from './tuned-model';

export function define(command: Command): void {
  addTunedModelFlags(command, true);
  command.action(evaluateModel);
}

async function evaluateModel(flags: Flags): Promise<void> {
  const result = await inSession(async (session) => {
    const request = await tunedModelRequest(flags, true, session);
    return follow(evaluate(request, session.signal), (event) => show(session, event));
  });
  const rows = Object.entries({ ...result.metrics, loss: result.loss }).map(([name, value]) => [
    name,
    metricText(value),
  ]);
  const lines = [...table(rows, [1]), `on ${grouped(result.rows)} rows`];
  writeLines(lines);
  if (flags.json) await printJson(result);
}
