import type { Argument, Command, Option } from 'commander';
import type { FlagParser, Takes } from './flag-values';

/**
 * Completion of one argument: words from a list, several of them with commas, a path, or anything.
 */
export interface Completion {
  takes: Takes | 'anything';
  several: boolean;
}

/** Flag, as shells complete it. */
export interface CompletedFlag {
  /** `--help`, and `-h` if it has a short form. */
  names: readonly string[];
  /** Short description. */
  what: string;
  /** Its value; undefined for a flag without one. */
  value?: Completion & { name: string };
}

/** Command or subcommand, as shells complete it. */
export interface CompletedCommand {
  /** The words after `hifi`: none for `hifi` itself, `jobs list` for its command of that name. */
  path: readonly string[];
  what: string;
  commands: readonly CompletedCommand[];
  flags: readonly CompletedFlag[];
  /** Its argument, if it has one. */
  argument?: Completion & { name: string };
}

/**
 * Collects what a shell needs to know of a program: commander's visible commands, flags and
 * arguments, as in `--help`.
 */
export function completed(command: Command, path: readonly string[] = []): CompletedCommand {
  const help = command.createHelp();
  const commands = help.visibleCommands(command).map((each) => completed(each, [...path, each.name()]));
  const [argument] = command.registeredArguments;
  // The argument of `hifi help` is any other command.
  const names = commands.map((each) => each.path.at(-1) as string).filter((name) => name !== 'help');
  const named = commands.map((each) => (each.path.at(-1) === 'help' ? { ...each, argument: topic(names) } : each));
  return {
    path,
    what: command.description(),
    commands: named,
    flags: help.visibleOptions(command).map(flagOf),
    ...(argument && { argument: { ...completionOf(argument), name: argument.name() } }),
  };
}

const topic = (names: readonly string[]) => ({ takes: names, several: false, name: 'command' });

function flagOf(option: Option): CompletedFlag {
  const names = [option.long, option.short].filter((name) => name !== undefined && name !== null) as string[];
  const value = option.required || option.optional ? { ...completionOf(option), name: placeholder(option) } : undefined;
  return { names, what: brief(option.description), ...(value && { value }) };
}

function completionOf({ parseArg }: Option | Argument): Completion {
  const { takes, several } = (parseArg ?? {}) as Partial<FlagParser<unknown>>;
  return { takes: takes ?? 'anything', several: several === true };
}

/** Returns a value's name: `tokens` for `--max-length <tokens>`. */
const placeholder = ({ flags }: Option) => /<(.*)>/.exec(flags)?.[1] ?? '';

/**
 * Returns the first part of a description; the rest, after a colon or in brackets, is for `--help`.
 */
const brief = (text: string) => text.split(/[:;(]/)[0].trim();
