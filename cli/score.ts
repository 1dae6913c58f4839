import type { Command } from 'commander';
import { follow } from '../foundation/follow';
import { byScore, TIE } from '../heads/score-order';
import { type HeadScores, SCORE_STRATEGIES, type ScoreStrategy } from '../heads/scores';
import { writeJson } from '../job/files';
import { claimFile } from '../job/out';
import { scoreHeads } from '../trainer/training-engine';
import { addDataFlags, addRowsFlag, dataFlags } from './data-flags';
import {
  addEngineFlags,
  addJsonFlag,
  addModelFlags,
  addOutFlag,
  addRuleFlags,
  addScoreFlags,
  type Flags,
  scoreFlags,
} from './flags';
import { printJson, secondsText, table, writeLines } from './output';
import { inSession, modelFolder, show } from './session';
import { readable } from './stdin';

export function define(command: Command): void {
  addModelFlags(command);
  addRowsFlag(command, '--train', 'labelled rows to score on');
  addOutFlag(command, 'file for the scores, scores.json', 'file');
  addRuleFlags(command);
  addDataFlags(command, true);
  addScoreFlags(command, SCORE_STRATEGIES);
  addEngineFlags(command);
  addJsonFlag(command);
  command.action(score);
}

async function score(flags: Flags): Promise<void> {
  const out = flags.out as string;
  const options = scoreFlags(flags);
  const train = dataFlags(flags, true)(flags.train as string[]);
  const strategy = flags.strategy as ScoreStrategy;
  claimFile(out, flags.overwrite === true);
  const scores = await inSession(async (session) => {
    const model = await modelFolder(flags, session);
    const rows = await readable(train, session.signal);
    const events = scoreHeads({ model, train: rows, strategy, options }, session.signal);
    return follow(events, (event) => show(session, event));
  });
  writeJson(out, scores);
  writeLines([...scoresTable(scores), out]);
  if (flags.json) await printJson(scores);
}

/** Table of the best heads of each layer. */
function scoresTable({ scores, model, samples, strategy, elapsedSeconds, deviceUsed }: HeadScores): string[] {
  const tie = TIE * Math.max(...scores.flat());
  const rows = scores.map((values, layer) => [
    String(layer),
    byScore(values, false, tie)
      .slice(0, Math.min(5, model.heads))
      .map((head) => `${head} (${values[head].toPrecision(2)})`)
      .join('  '),
  ]);
  return [
    ...table([['layer', `best heads by ${strategy}`], ...rows], [0]),
    `${model.layers} layers of ${model.heads} heads, ${samples} sequences, ${secondsText(elapsedSeconds)}, ${deviceUsed}`,
  ];
}
