import type { Argument, Command, Option } from 'commander';
import type { FlagParser, Takes } from './flag-values';

/** What may stand at one place of a command line: one of some words, several of them between commas, or a path; else anything. */
export interface Place {
  takes: Takes | 'anything';
  several: boolean;
}

/** A flag, as shells complete it. */
export interface CompletedFlag {
  /** `--help`, and `-h` where there is such. */
  names: readonly string[];
  /** In a few words. */
  what: string;
  /** What stands after it; undefined for a flag that stands alone. */
  value?: Place & { name: string };
}

/** A command, or a command of a command, as shells complete it. */
export interface CompletedCommand {
  /** The words after `hifi`: none for `hifi` itself, `jobs list` for its command of that name. */
  path: readonly string[];
  what: string;
  commands: readonly CompletedCommand[];
  flags: readonly CompletedFlag[];
  /** What stands after the command, where that is no flag. */
  argument?: Place & { name: string };
}

/** What a shell has to know of a program: commander's own commands, flags and arguments, all that `--help` shows. */
export function completed(command: Command, path: readonly string[] = []): CompletedCommand {
  const help = command.createHelp();
  const commands = help.visibleCommands(command).map((each) => completed(each, [...path, each.name()]));
  const [argument] = command.registeredArguments;
  // What `hifi help` explains is any of the others.
  const names = commands.map((each) => each.path.at(-1) as string).filter((name) => name !== 'help');
  const named = commands.map((each) => (each.path.at(-1) === 'help' ? { ...each, argument: topic(names) } : each));
  return {
    path,
    what: command.description(),
    commands: named,
    flags: help.visibleOptions(command).map(flagOf),
    ...(argument && { argument: { ...placeOf(argument), name: argument.name() } }),
  };
}

const topic = (names: readonly string[]) => ({ takes: names, several: false, name: 'command' });

function flagOf(option: Option): CompletedFlag {
  const names = [option.long, option.short].filter((name) => name !== undefined && name !== null) as string[];
  const value = option.required || option.optional ? { ...placeOf(option), name: placeholder(option) } : undefined;
  return { names, what: brief(option.description), ...(value && { value }) };
}

function placeOf({ parseArg }: Option | Argument): Place {
  const { takes, several } = (parseArg ?? {}) as Partial<FlagParser<unknown>>;
  return { takes: takes ?? 'anything', several: several === true };
}

/** `tokens` of `--max-length <tokens>`. */
const placeholder = ({ flags }: Option) => /<(.*)>/.exec(flags)?.[1] ?? '';

/** A description's first words: what stands behind a colon or in brackets is for `--help`. */
const brief = (text: string) => text.split(/[:;(]/)[0].trim();
