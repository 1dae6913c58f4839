import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Command, Option } from 'commander';
import { invalidInput } from '../foundation/errors';
import { checkPlace } from '../foundation/output-path';
import { writeWhole } from '../foundation/whole-file';
import { isFolderPath } from '../model/resolve';
import { keyOf } from './config-file';
import { aPath, type FlagParser } from './flag-values';
import type { Flags } from './flags';
import { wrapped } from './output';
import { addRunFlags } from './run';
import { STDIN } from './stdin';

const DEFAULT_FILE = 'hifi.yaml';
/** Line width of the file in characters, unless a word is longer. */
const WIDTH = 100;

export function define(command: Command): void {
  command.argument('[file]', 'file to write', aPath('file'), DEFAULT_FILE);
  addRunFlags(command);
  const known = command.options.filter((option) => !option.hidden);
  const needed = new Set(command.options.filter(({ mandatory }) => mandatory));
  for (const option of needed) option.makeOptionMandatory(false);
  command.action((file: string, flags: Flags) => {
    const given = known.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli');
    const values = new Map(given.map((option) => [option, written(option, flags[option.attributeName()], file)]));
    writeNew(file, configText(known, values, needed, file));
    process.stderr.write(`${file}\nhifi run --config ${file}\n`);
  });
}

/** Writes a new file. @throws HifiError INVALID_INPUT if it exists or cannot be written */
function writeNew(file: string, text: string): void {
  if (fs.existsSync(file)) throw invalidInput(`${file} exists; give another name, or remove it first`);
  checkPlace(file, 'file', file);
  writeWhole(file, text);
}

/** Converts a flag's value to that of the file: paths become relative to the file's folder. */
function written(option: Option, value: unknown, file: string): unknown {
  if (Array.isArray(value)) return value.map((each) => written(option, each, file));
  const takes = (option.parseArg as FlagParser<unknown> | undefined)?.takes;
  if (typeof takes !== 'string' || typeof value !== 'string' || value === STDIN || path.isAbsolute(value)) return value;
  if ((option.parseArg as FlagParser<unknown>).words?.includes(value)) return value;
  if (takes === 'model' && !isFolderPath(value) && !fs.existsSync(value)) return value;
  const there = path.relative(path.dirname(path.resolve(file)), path.resolve(value)) || '.';
  // A relative folder must not look like a name on the Hub.
  return takes === 'model' && !isFolderPath(there) ? `./${there}` : there;
}

/**
 * Returns the text of a settings file: each flag with its help. Given flags have their values; all
 * others are commented out, with their defaults.
 *
 * @param given values by flag
 */
export function configText(
  known: readonly Option[],
  given: ReadonlyMap<Option, unknown>,
  needed: ReadonlySet<Option>,
  file: string,
): string {
  const lines = comment(
    `Settings of hifi run: hifi run --config ${file}. A setting is a flag without its dashes. A # before its name means that it has ` +
      'its default; remove the # to change it. A flag on the command line takes precedence over its setting here. Relative ' +
      "paths are relative to this file's folder.",
  );
  let group: string | undefined;
  for (const option of known) {
    if (option.helpGroupHeading !== group)
      lines.push('', `# ---- ${((group = option.helpGroupHeading))?.replace(':', '')} ----`);
    const isGiven = given.has(option);
    const must = needed.has(option) && !isGiven ? 'required: ' : '';
    const value = yamlText(isGiven ? given.get(option) : defaultOf(option));
    lines.push('', ...comment(`${option.flags}: ${must}${option.description}`));
    lines.push(`${isGiven ? '' : '#'}${keyOf(option)}:${value && ` ${value}`}`);
  }
  return `${lines.join('\n')}\n`;
}

const comment = (text: string) => wrapped(text, WIDTH - 2).map((line) => `# ${line}`);

/**
 * Returns a flag's default as commander has it, or as its help shows it if commander must not set
 * it.
 */
function defaultOf(option: Option): unknown {
  const { defaultValue, defaultValueDescription: shown, parseArg } = option;
  if (defaultValue !== undefined || option.isBoolean()) return defaultValue ?? false;
  return shown && parseArg ? parseArg(shown, undefined) : shown;
}

/** Formats a value as one line of YAML; a list with one entry as that entry. */
function yamlText(value: unknown): string {
  if (value === undefined) return '';
  const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
  const { stringify } = require('yaml') as typeof import('yaml');
  return stringify(one, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd();
}
