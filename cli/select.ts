import type { Command } from 'commander';
import { invalidInput } from '../foundation/errors';
import type { Mask } from '../heads/mask';
import { rankingWarnings } from '../heads/ranking';
import { isScoreStrategy, scoreStrategies } from '../heads/scores';
import {
  rankingScope,
  type ScoredHeads,
  type SelectionInput,
  type SelectionOptions,
  selectHeads,
} from '../heads/select';
import { readHeads, readScores, writeJson } from '../job/files';
import { claimFile } from '../job/out';
import { aPath } from './flag-values';
import { add, addSelectionFlags, type Flags, selectionFlags } from './flags';
import { grouped, percentText, printJson, table, writeLines } from './output';
import { addJsonFlag, addOutFlag, addRuleFlags } from './output-flags';

export function define(command: Command): void {
  add(command, '--heads <heads.json>', 'heads.json of an analysis', aPath('file'));
  add(
    command,
    '--scores <scores.json>',
    'scores.json of hifi score, for a strategy that needs gradients, and for neurons',
    aPath('file'),
  );
  addOutFlag(command, 'file for the mask, mask.json', 'file');
  addRuleFlags(command);
  addSelectionFlags(command);
  addJsonFlag(command);
  command.action(select);
}

async function select(flags: Flags): Promise<void> {
  const out = flags.out as string;
  const options = selectionFlags(flags);
  claimFile(out, flags.overwrite === true);
  const report = readMeasured(flags, options);
  const mask = selectHeads(report, options);
  writeJson(out, mask);
  const warnings = rankingWarnings({ ...options, scope: rankingScope(options) }).map(
    (message) => `warning: ${message}`,
  );
  const lines = [...warnings, ...maskTable(mask, report.model.layers), out];
  writeLines(lines);
  if (flags.json) await printJson(mask);
}

/**
 * Reads the strategy's input: an analysis, or scores by gradients. If both are given, they must be
 * of one model.
 */
function readMeasured({ heads, scores }: Flags, { strategy, tune }: SelectionOptions): SelectionInput | ScoredHeads {
  if (!isScoreStrategy(strategy, tune)) {
    if (scores !== undefined)
      throw invalidInput(`--scores needs --strategy ${scoreStrategies(tune).join(', ')}; got ${strategy}`);
    if (heads === undefined) throw invalidInput("required option '--heads <heads.json>' not specified");
    return readHeads(heads as string);
  }
  if (scores === undefined) {
    const flags = `--strategy ${strategy}${tune === 'neurons' ? ' --tune neurons' : ''}`;
    throw invalidInput(`${flags} needs --scores scores.json, which hifi score ${flags} writes`);
  }
  const given = readScores(scores as string);
  if (heads === undefined) return given;
  const { model } = readHeads(heads as string);
  if (model.sha256 === given.model.sha256) return given;
  const shown = ({ name, sha256 }: { name: string; sha256: string }) => `${name} (SHA-256 ${sha256.slice(0, 12)}…)`;
  throw invalidInput(`${scores} is of ${shown(given.model)}, ${heads} of ${shown(model)}; they must be of one model`);
}

/** Table of each layer's selected heads, or number of neurons, and their share of the model. */
export function maskTable(mask: Mask, layers: number): string[] {
  const { heads, neurons, strategy, tune } = mask;
  const rows = Array.from({ length: layers }, (_, layer) => {
    const own = heads.filter((head) => head.layer === layer).map(({ head }) => String(head));
    const count = neurons?.filter((neuron) => neuron.layer === layer).length;
    return [String(layer), count === undefined ? own.join(' ') || '–' : String(count)];
  });
  const [what, count] = neurons ? ['neurons', neurons.length] : ['heads', heads.length];
  return [
    ...table([['layer', what], ...rows], neurons ? [0, 1] : [0]),
    `${grouped(count)} ${what} by ${strategy}: ${grouped(mask.trainableParameters)} of ` +
      `${grouped(mask.totalParameters)} parameters (${percentText(mask.share)})${neurons ? '' : `, ${tune}`}`,
  ];
}
