import type { Command } from 'commander';
import { readHeads, writeJson } from '../gateway/files';
import { claimFile } from '../gateway/out';
import type { Mask } from '../heads/mask';
import { rankingWarnings } from '../heads/ranking';
import { rankingScope, selectHeads } from '../heads/select';
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
  const warnings = rankingWarnings({ ...options, scope: rankingScope(options) }).map(
    (message) => `warning: ${message}`,
  );
  const lines = [...warnings, ...maskTable(mask, report.model.layers), out];
  process.stderr.write(`${lines.join('\n')}\n`);
  if (flags.json) await printJson(mask);
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
