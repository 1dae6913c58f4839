import { Argument, type Command } from 'commander';
import { SCRIPTS, SHELLS, type Shell } from './completion-scripts';
import { completed } from './completion-table';
import { oneOf } from './flag-values';
import { printText } from './output';

/** Defines the command. The program must have all its commands when the action runs. */
export function define(command: Command): void {
  command.addArgument(new Argument('<shell>', SHELLS.join(', ')).argParser(oneOf('the shell', SHELLS)));
  command.action((shell: Shell) => printText(SCRIPTS[shell](completed(command.parent as Command))));
}
