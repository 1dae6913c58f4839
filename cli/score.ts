import type { Command } from 'commander';
import { invalidValue } from '../foundation/errors';
import { follow } from '../foundation/follow';
import { byScore } from '../heads/score-order';
import {
  type HeadScores,
  isScoreStrategy,
  NEURON_SCORE_STRATEGIES,
  SCORE_STRATEGIES,
  type ScoreStrategy,
  scoreStrategies,
} from '../heads/scores';
import { unitsPerLayer } from '../heads/select';
import { writeJson } from '../job/files';
import { claimFile } from '../job/out';
import { scoreHeads } from '../trainer/training-engine';
import { addDataFlags, addRowsFlag, dataFlags } from './data-flags';
import { addEngineFlags, addModelFlags, addScoreFlags, type Flags, scoreFlags } from './flags';
import { printJson, secondsText, table, writeLines } from './output';
import { addJsonFlag, addOutFlag, addRuleFlags } from './output-flags';
import { inSession, modelFolder, show } from './session';
import { readable } from './stdin';

export function define(command: Command): void {
  addModelFlags(command);
  addRowsFlag(command, '--train', 'labelled rows to score on');
  addOutFlag(command, 'file for the scores, scores.json', 'file');
  addRuleFlags(command);
  addDataFlags(command, true);
  addScoreFlags(command, [...new Set([...SCORE_STRATEGIES, ...NEURON_SCORE_STRATEGIES])]);
  addEngineFlags(command);
  addJsonFlag(command);
  command.action(score);
}

async function score(flags: Flags): Promise<void> {
  const out = flags.out as string;
  const options = scoreFlags(flags);
  const train = dataFlags(flags, true)(flags.train as string[]);
  const strategy = flags.strategy as ScoreStrategy;
  if (!isScoreStrategy(strategy, options.tune)) {
    const expected = `one of ${scoreStrategies(options.tune).join(', ')} with --tune ${options.tune}`;
    throw invalidValue({ field: 'strategy', value: JSON.stringify(strategy), expected }, '--strategy');
  }
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

/** Table of the best heads or neurons of each layer. */
function scoresTable({ scores, model, options, samples, strategy, elapsedSeconds, deviceUsed }: HeadScores): string[] {
  const what = options.tune === 'neurons' ? 'neurons' : 'heads';
  const perLayer = unitsPerLayer(model, options.tune);
  const rows = scores.map((values, layer) => [
    String(layer),
    byScore(values, { anyScale: true })
      .slice(0, 5)
      .map((head) => `${head} (${values[head].toPrecision(2)})`)
      .join('  '),
  ]);
  return [
    ...table([['layer', `best ${what} by ${strategy}`], ...rows], [0]),
    `${model.layers} layers of ${perLayer} ${what}, ${samples} sequences, ${secondsText(elapsedSeconds)}, ${deviceUsed}`,
  ];
}
