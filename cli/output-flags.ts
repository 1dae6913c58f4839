import type { Command } from 'commander';
import { aPath } from './flag-values';
import { addNeeded } from './flags';

export function addJsonFlag(command: Command): void {
  command.optionsGroup('Output:');
  command.option('--json', 'print one JSON document on stdout and nothing else there');
}

/** Adds `--out`. @param takes kind of the path: what the command writes */
export function addOutFlag(command: Command, what: string, takes: 'file' | 'folder'): void {
  addNeeded(command, '--out <path>', what, aPath(takes));
}

/** Adds `--overwrite`. @param resumable true to add `--resume` */
export function addRuleFlags(command: Command, resumable = false): void {
  if (resumable)
    command.option('--resume', 'resume from the results in --out; start from the beginning if there are none');
  command.option('--overwrite', "replace an earlier command's results in --out");
}
