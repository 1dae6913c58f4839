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
/** Characters of a line of the file, but for words that are longer. */
const WIDTH = 100;

export function define(command: Command): void {
  command.argument('[file]', 'the file to write', aPath('file'), DEFAULT_FILE);
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

/** @throws HifiError INVALID_INPUT where there is something already, or nothing can be written */
function writeNew(file: string, text: string): void {
  if (fs.existsSync(file)) throw invalidInput(`${file} exists: give another name, or remove it first`);
  checkPlace(file, 'file', file);
  writeWhole(file, text);
}

/** A flag's value as the file is to say it: a path as seen from the file's folder. */
function written(option: Option, value: unknown, file: string): unknown {
  if (Array.isArray(value)) return value.map((each) => written(option, each, file));
  const takes = (option.parseArg as FlagParser<unknown> | undefined)?.takes;
  if (typeof takes !== 'string' || typeof value !== 'string' || value === STDIN || path.isAbsolute(value)) return value;
  if (takes === 'model' && !isFolderPath(value) && !fs.existsSync(value)) return value;
  const there = path.relative(path.dirname(path.resolve(file)), path.resolve(value)) || '.';
  // Were it moved, a folder must not be taken for a name of the Hub.
  return takes === 'model' && !isFolderPath(there) ? `./${there}` : there;
}

/**
 * A file of settings: each flag with what `--help` says of it; those that are given as they are, all others commented out, with
 * their defaults. Without the # before a setting's name such a line says what holds without it.
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
    `What hifi run is to do: hifi run --config ${file}. A setting is a flag without its dashes. Those with a # before the name are at ` +
      'their default; take the # away to change them. A flag on the command line counts more than its setting here. Relative ' +
      "paths are relative to this file's folder.",
  );
  let group: string | undefined;
  for (const option of known) {
    if (option.helpGroupHeading !== group)
      lines.push('', `# ---- ${((group = option.helpGroupHeading))?.replace(':', '')} ----`);
    const told = given.has(option);
    const must = needed.has(option) && !told ? 'needed: ' : '';
    const value = yamlText(told ? given.get(option) : defaultOf(option));
    lines.push('', ...comment(`${option.flags}: ${must}${option.description}`));
    lines.push(`${told ? '' : '#'}${keyOf(option)}:${value && ` ${value}`}`);
  }
  return `${lines.join('\n')}\n`;
}

const comment = (text: string) => wrapped(text, WIDTH - 2).map((line) => `# ${line}`);

/** As commander has it, or as it is told where commander must not know it; undefined where there is none. */
function defaultOf(option: Option): unknown {
  const { defaultValue, defaultValueDescription: told, parseArg } = option;
  if (defaultValue !== undefined || option.isBoolean()) return defaultValue ?? false;
  return told && parseArg ? parseArg(told, undefined) : told;
}

/** A value in one line of YAML; of a list with one entry that entry. */
function yamlText(value: unknown): string {
  if (value === undefined) return '';
  const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
  const { stringify } = require('yaml') as typeof import('yaml');
  return stringify(one, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd();
}
