import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Command } from 'commander';
import type { Ablation } from '../delta/ablation';
import { follow } from '../foundation/follow';
import { writeWhole } from '../foundation/whole-file';
import { readHeads, writeJson } from '../job/files';
import { checkFolder, inFolder } from '../job/out';
import { ABLATION_RESULTS } from '../job/own-folders';
import { renderAblation } from '../report/ablation-page';
import { ablationBasis, ablationInWords, ablationRows } from '../report/ablation-words';
import { ablate } from '../trainer/training-engine';
import { aPath } from './flag-values';
import { add, addModelFlags, addNeeded, addSeedFlag, type Flags } from './flags';
import { printJson, table, writeLines } from './output';
import { addRuleFlags } from './output-flags';
import { inSession, requestedModel, show } from './session';
import { addInputFlags, tunedModelRequest } from './tuned-model';

export function define(command: Command): void {
  addModelFlags(command);
  addNeeded(command, '--delta <folder>', "a training's delta", aPath('folder'));
  const ranking = 'analysis that ranks the heads (default: heads.json beside the delta)';
  add(command, '--heads <heads.json>', ranking, aPath('file'));
  add(command, '--out <folder>', 'folder for ablation.json and report.html (default: none)', aPath('folder'));
  addRuleFlags(command);
  addSeedFlag(command, 0);
  addInputFlags(command, true);
  command.action(ablateHeads);
}

async function ablateHeads(flags: Flags): Promise<void> {
  const { out, delta, seed } = flags as { out?: string; delta: string; seed: number };
  const rules = { overwrite: flags.overwrite === true };
  if (out !== undefined) checkFolder(out, rules, ABLATION_RESULTS);
  const file = (flags.heads as string | undefined) ?? besideDelta(delta);
  const heads = file === undefined ? undefined : readHeads(file);
  const { ablation, request } = await inSession(async (session) => {
    const request = { ...(await tunedModelRequest(flags, true, session)), delta, heads, seed };
    const measured = () => follow(ablate(request, session.signal), (event) => show(session, event));
    const ablation = await (out === undefined ? measured() : inFolder(out, rules, ABLATION_RESULTS, measured));
    return { ablation, request };
  });
  const files: string[] = [];
  if (out !== undefined) {
    const { data: rows, options } = request;
    const asked = { ...requestedModel(flags), delta, rows, options, heads: flags.heads as string | undefined };
    files.push(path.join(out, 'ablation.json'), path.join(out, 'report.html'));
    writeJson(files[0], ablation);
    writeWhole(files[1], renderAblation(ablation, asked));
  }
  writeLines([...ablationTable(ablation), ...files]);
  if (flags.json) await printJson(ablation);
}

/** Analysis of the run whose delta it is; undefined if there is none. */
function besideDelta(delta: string): string | undefined {
  const file = path.join(path.dirname(path.resolve(delta)), 'heads.json');
  return fs.existsSync(file) ? file : undefined;
}

function ablationTable(ablation: Ablation): string[] {
  const rows = ablationRows(ablation).map(({ off, metric, difference }) => [off, metric, difference]);
  const noRanking = ablation.drawn !== null && ablation.last === null;
  return [
    ...table([['heads off', ablation.metric, 'minus all on'], ...rows]),
    ablationInWords(ablation),
    ...(noRanking ? ['There is no heads.json beside the delta: --heads gives one, which has the last heads.'] : []),
    `on ${ablationBasis(ablation)}`,
  ];
}
