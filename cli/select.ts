import type { Command } from 'commander';
import { readHeads, writeJson } from '../gateway/files';
import { claimFile } from '../gateway/out';
import type { Mask } from '../heads/mask';
import type { RankingOptions } from '../heads/ranking';
import { rankHeads } from '../heads/ranking';
import { selectHeads } from '../heads/select';
import { addJsonFlag, addOutFlags, addSelectionFlags, type Flags, selectionFlags } from './flags';
import { grouped, percentText, printJson, table } from './output';

export function define(command: Command): void {
  command.requiredOption('--heads <heads.json>', 'an analysis');
  addOutFlags(command, 'the file of the mask, mask.json');
  addSelectionFlags(command);
  addJsonFlag(command);
  command.action(select);
}

async function select(flags: Flags): Promise<void> {
  const out = flags.out as string;
  const options = selectionFlags(flags);
  const report = readHeads(flags.heads as string);
  const mask = selectHeads(report, options);
  claimFile(out, flags.overwrite === true);
  writeJson(out, mask);
  const lines = [...warnings(report, options), ...maskTable(mask, report.model.layers), out];
  process.stderr.write(`${lines.join('\n')}\n`);
  if (flags.json) await printJson(mask);
}

function warnings(report: Parameters<typeof rankHeads>[0], options: RankingOptions): string[] {
  return rankHeads(report, options).warnings.map((message) => `warning: ${message}`);
}

/** The chosen heads of each layer, and how much of the model that is. */
export function maskTable(mask: Mask, layers: number): string[] {
  const rows = Array.from({ length: layers }, (_, layer) => {
    const heads = mask.heads.filter((head) => head.layer === layer).map(({ head }) => String(head));
    return [String(layer), heads.join(' ') || '–'];
  });
  return [
    ...table([['layer', 'heads'], ...rows], [0]),
    `${mask.heads.length} heads by ${mask.strategy}: ${grouped(mask.trainableParameters)} of ` +
      `${grouped(mask.totalParameters)} parameters (${percentText(mask.share)}), ${mask.tune}`,
  ];
}
